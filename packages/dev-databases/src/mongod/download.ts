import { chmodSync, copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { RequestOptions } from 'node:https'
import path from 'node:path'
import type { AnyOS } from 'mongodb-memory-server-core/lib/util/getos/index.js'
import { systemCode } from '../errors.ts'
import { storeChecksum } from '../system/checksum.ts'
import type { Progress } from '../types.ts'

/** Release that is downloaded unless MONGOMS_VERSION names another. */
const RELEASE = '7.0.24'
const PROBE_MS = 1500

/**
 * Downloads MongoDB's own build for this system into the cache folder, with mongodb-memory-server-core as the
 * downloader (it knows which build fits which distribution, mirrors and proxies). Gives the path; throws one line,
 * within two seconds where the host cannot be reached.
 */
export async function downloadMongod (cache: string, onProgress: Progress): Promise<string> {
  const version = process.env.MONGOMS_VERSION || RELEASE
  const place = path.join(cache, `mongod-${version}-mongodb.org${process.platform === 'win32' ? '.exe' : ''}`)
  if (existsSync(place)) throw new Error('fetched before; it does not run here')
  const build = await describeBuild(version)
  const { MongoBinaryDownloadUrl } = await import('mongodb-memory-server-core/lib/util/MongoBinaryDownloadUrl.js')
  const size = await probe(await new MongoBinaryDownloadUrl(build).getDownloadUrl())
  onProgress(`Downloading MongoDB ${version} (${size}, once)`)
  const work = mkdtempSync(path.join(cache, 'download-'))
  try {
    // Copied, because with MONGOMS_DOWNLOAD_DIR set the file is another program's; renamed, so that nobody ever sees
    // half a file.
    copyFileSync(await fetchInto(work, build, onProgress), path.join(work, 'mongod'))
    chmodSync(path.join(work, 'mongod'), 0o755)
    storeChecksum(path.join(work, 'mongod'))
    renameSync(path.join(work, 'mongod.sha256'), `${place}.sha256`)
    renameSync(path.join(work, 'mongod'), place)
    return place
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

interface Build {
  version: string
  platform: string
  arch: string
  os: AnyOS
}

async function describeBuild (version: string): Promise<Build> {
  const { getOS } = await import('mongodb-memory-server-core/lib/util/getos/index.js')
  return { version, platform: process.platform, arch: process.arch, os: await getOS() }
}

/**
 * The downloader retries for seven seconds when there is no network; this look finds out in one and a half. Gives the
 * size in words.
 */
async function probe (url: string): Promise<string> {
  const proxy = process.env.https_proxy ?? process.env.HTTPS_PROXY ?? process.env.http_proxy ?? process.env.HTTP_PROXY
  if (proxy !== undefined && proxy !== '') return await reach(new URL(proxy))
  const host = new URL(url).host
  const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_MS) }).catch(
    (error: unknown) => {
      throw new Error(
        `${host} cannot be reached (${
          error instanceof Error ? systemCode(error.cause) ?? error.message : String(error)
        })`
      )
    }
  )
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return `${Math.round(Number(response.headers.get('content-length') ?? 0) / 1e6)} MB`
}

function reach (proxy: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      socket.destroy()
      reject(new Error(`the proxy ${proxy.host} cannot be reached (${why})`))
    }
    const socket = connect({ host: proxy.hostname, port: Number(proxy.port || 80), timeout: PROBE_MS })
    socket.once('connect', () => {
      socket.destroy()
      resolve('through a proxy')
    })
    socket.once('timeout', () => {
      fail('no answer in time')
    })
    socket.once('error', (error) => {
      fail(systemCode(error) ?? error.message)
    })
  })
}

/**
 * Certificates are checked (the package does that only if npm is told so), one attempt, and progress goes to us instead
 * of the console.
 */
async function fetchInto (folder: string, build: Build, onProgress: Progress): Promise<string> {
  const { MongoBinaryDownload } = await import('mongodb-memory-server-core/lib/util/MongoBinaryDownload.js')
  class Download extends MongoBinaryDownload {
    override httpDownload (url: URL, options: RequestOptions, to: string, part: string): Promise<string> {
      return super.httpDownload(url, { ...options, rejectUnauthorized: true }, to, part, 1)
    }

    override printDownloadProgress (chunk: { length: number }): void {
      this.dlProgress.current += chunk.length
      if (Date.now() - this.dlProgress.lastPrintedAt < 2000 || this.dlProgress.length < 1e6) return
      this.dlProgress.lastPrintedAt = Date.now()
      onProgress(`Downloading MongoDB: ${Math.round(100 * this.dlProgress.current / this.dlProgress.length)} %`)
    }
  }
  return await new Download({ ...build, downloadDir: folder, checkMD5: true }).getMongodPath()
}
