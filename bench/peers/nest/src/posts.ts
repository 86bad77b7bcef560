import { Controller, Get, Injectable, Module, NotFoundException, Param, Query } from '@nestjs/common'
import { InjectModel, MongooseModule, ParseObjectIdPipe } from '@nestjs/mongoose'
import { Model, Types } from 'mongoose'
import { Post, PostSchema, withId } from './documents.js'
import { PageQuery } from './page.js'

// Lean, as Mongoose's guide advises for what is only read and sent.
@Injectable()
class PostsService {
  constructor (@InjectModel(Post.name) private readonly posts: Model<Post>) {}

  async summaries (limit: number) {
    const found = await this.posts.find().select('title category author_id created_at').sort({
      created_at: -1,
      _id: -1
    }).limit(limit).lean().exec()
    return found.map(withId)
  }

  async findByCategory (category: string, limit: number) {
    const found = await this.posts.find({ category }).sort({ created_at: -1, _id: -1 }).limit(limit).lean().exec()
    return found.map(withId)
  }

  async findOne (id: Types.ObjectId) {
    const post = await this.posts.findById(id).lean().exec()
    if (post === null) throw new NotFoundException('Post not found')
    return withId(post)
  }
}

@Controller('posts')
class PostsController {
  constructor (private readonly service: PostsService) {}

  @Get('summaries')
  summaries (@Query() { limit }: PageQuery) {
    return this.service.summaries(limit)
  }

  @Get('by-category/:category')
  byCategory (@Param('category') category: string, @Query() { limit }: PageQuery) {
    return this.service.findByCategory(category, limit)
  }

  @Get(':id')
  get (@Param('id', ParseObjectIdPipe) id: Types.ObjectId) {
    return this.service.findOne(id)
  }
}

@Module({
  imports: [MongooseModule.forFeature([{ name: Post.name, schema: PostSchema }])],
  controllers: [PostsController],
  providers: [PostsService]
})
export class PostsModule {}
