// Checked by the compiler only: what the facade lets through, and what it does not.
import type { FastifyRequest } from 'fastify'
import type { ObjectId } from 'mongodb'

interface Post {
  _id: ObjectId
  title: string
  views: number
}

export async function typed (request: FastifyRequest): Promise<void> {
  const posts = request.mongo.collection<Post>('posts')
  const post = await posts.findOne({ title: 'a' })
  const title: string | undefined = post?.title
  const pages: Post[] = await posts.find({ views: { $gt: 1 } }).sort({ _id: -1 }).limit(2).toArray()
  const titles: string[] = await posts.find().project<{ title: string }>({ title: 1 }).map((each) => each.title)
    .toArray()
  const counts: Array<{ _id: string; count: number }> = await posts.aggregate<{ _id: string; count: number }>([]).match(
    {}
  ).toArray()
  for await (const { views } of posts.find()) views.toFixed()
  await posts.updateOne({ title: 'a' }, { $inc: { views: 1 } })
  await request.transaction.mongo.collection('anything').insertOne({ any: title, pages, titles, counts })

  // @ts-expect-error views is a number
  await posts.insertOne({ title: 'a', views: 'many' })
  // @ts-expect-error cannot run inside a transaction
  await posts.createIndex({ title: 1 })
  // @ts-expect-error cannot run inside a transaction
  await posts.estimatedDocumentCount()
  // @ts-expect-error cannot run inside a transaction
  posts.watch()
  // @ts-expect-error a stream would read past the queue
  posts.find().stream()
  // @ts-expect-error refused after a modifier too
  posts.find().sort({ _id: 1 }).stream()
  // @ts-expect-error the server refuses it
  await posts.find().limit(1).explain()
  // @ts-expect-error collections only
  await request.mongo.command({ ping: 1 })
}
