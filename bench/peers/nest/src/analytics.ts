import { Controller, Get, Injectable, Module, Query } from '@nestjs/common'
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm'
import { Repository } from 'typeorm'
import { PostCopy, User } from './entities.js'
import { PageQuery } from './page.js'

interface UserAnalytics {
  name: string
  post_count: number
  avg_content_length: number | null
}

@Injectable()
class AnalyticsService {
  constructor (@InjectRepository(User) private readonly users: Repository<User>) {}

  async list (limit: number) {
    return await this.users.createQueryBuilder('user')
      .leftJoin(PostCopy, 'post', 'post.author_id = user.id')
      .select('user.name', 'name')
      .addSelect('count(post.id)::int', 'post_count')
      .addSelect('avg(post.content_length)::float8', 'avg_content_length')
      .groupBy('user.id')
      .orderBy('post_count', 'DESC')
      .addOrderBy('user.id')
      .limit(limit)
      .getRawMany<UserAnalytics>()
  }
}

@Controller('user-analytics')
class AnalyticsController {
  constructor (private readonly service: AnalyticsService) {}

  @Get()
  list (@Query() { limit }: PageQuery) {
    return this.service.list(limit)
  }
}

@Module({
  imports: [TypeOrmModule.forFeature([User, PostCopy])],
  controllers: [AnalyticsController],
  providers: [AnalyticsService]
})
export class AnalyticsModule {}
