import type { Socket } from 'node:net'

const callbacks = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls back when a socket closes, with one listener however many requests of it wait: a response that is queued behind
 * others never emits 'close' itself.
 * @returns a function that forgets the callback
 */
export function onSocketClose (socket: Socket, callback: () => void): () => void {
  let waiting = callbacks.get(socket)
  if (waiting === undefined) {
    const all = waiting = new Set()
    callbacks.set(socket, all)
    socket.once('close', function callAll () {
      for (const each of all) each()
    })
  }
  waiting.add(callback)
  return () => {
    waiting.delete(callback)
  }
}
