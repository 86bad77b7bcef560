import {
  Body,
  Controller,
  Get,
  Injectable,
  Module,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Query
} from '@nestjs/common'
import { InjectModel, MongooseModule } from '@nestjs/mongoose'
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm'
import { IsEmail, IsNotEmpty, IsString } from 'class-validator'
import { Model } from 'mongoose'
import { In, Repository } from 'typeorm'
import { UserCopy, UserCopySchema } from './documents.js'
import { PostCopy, User } from './entities.js'
import { PageQuery } from './page.js'

interface UserSummary {
  id: number
  name: string
  email: string
  post_count: number
}

class CreateUserDto {
  @IsEmail()
  email!: string

  @IsString()
  @IsNotEmpty()
  name!: string
}

@Injectable()
class UsersService {
  constructor (
    @InjectRepository(User) private readonly users: Repository<User>,
    @InjectRepository(PostCopy) private readonly posts: Repository<PostCopy>,
    @InjectModel(UserCopy.name) private readonly copies: Model<UserCopy>
  ) {}

  async findOne (id: number) {
    const user = await this.users.findOneBy({ id })
    if (user === null) throw new NotFoundException('User not found')
    return user
  }

  async create (body: CreateUserDto) {
    return await this.users.save(this.users.create(body))
  }

  // Not `relations` with `take`: sorted by a column of the posts, that counts rows of the join and not users.
  async findWithPosts (limit: number) {
    const users = await this.users.find({ order: { id: 'ASC' }, take: limit })
    const byAuthor = new Map(users.map(({ id }) => [id, [] as PostCopy[]]))
    const posts = await this.posts.find({
      where: { author_id: In([...byAuthor.keys()]) },
      order: { author_id: 'ASC', created_at: 'DESC', id: 'DESC' }
    })
    for (const post of posts) byAuthor.get(post.author_id)?.push(post)
    return users.map((user) => ({ ...user, posts: byAuthor.get(user.id) ?? [] }))
  }

  async summarize (limit: number) {
    return await this.copies.aggregate<UserSummary>([
      { $match: { _deleted: { $exists: false } } },
      { $sort: { _id: 1 } },
      { $limit: limit },
      {
        $lookup: {
          from: 'posts',
          localField: '_id',
          foreignField: 'author_id',
          pipeline: [{ $count: 'n' }],
          as: 'posts'
        }
      },
      { $project: { _id: 0, id: '$_id', name: 1, email: 1, post_count: { $ifNull: [{ $first: '$posts.n' }, 0] } } }
    ])
  }
}

@Controller('users')
class UsersController {
  constructor (private readonly service: UsersService) {}

  @Get()
  list (@Query() { limit }: PageQuery) {
    return this.service.findWithPosts(limit)
  }

  @Get('summary')
  summaries (@Query() { limit }: PageQuery) {
    return this.service.summarize(limit)
  }

  @Get(':id')
  get (@Param('id', ParseIntPipe) id: number) {
    return this.service.findOne(id)
  }

  @Post()
  create (@Body() body: CreateUserDto) {
    return this.service.create(body)
  }
}

@Module({
  imports: [
    TypeOrmModule.forFeature([User, PostCopy]),
    MongooseModule.forFeature([{ name: UserCopy.name, schema: UserCopySchema }])
  ],
  controllers: [UsersController],
  providers: [UsersService]
})
export class UsersModule {}
