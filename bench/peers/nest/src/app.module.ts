import { Module } from '@nestjs/common'
import { MongooseModule } from '@nestjs/mongoose'
import { TypeOrmModule } from '@nestjs/typeorm'
import { AnalyticsModule } from './analytics.js'
import { OrdersModule } from './orders.js'
import { PostsModule } from './posts.js'
import { UsersModule } from './users.js'

const { DATABASE_URL, DATABASE_POOL_SIZE, MONGODB_URL = '', MONGODB_DATABASE = '' } = process.env
const poolSize = Number(DATABASE_POOL_SIZE)

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: DATABASE_URL ?? '',
      autoLoadEntities: true,
      synchronize: false,
      poolSize,
      // The other peers keep their connections too, so that nobody reconnects while measured.
      extra: { idleTimeoutMillis: 0 }
    }),
    MongooseModule.forRoot(MONGODB_URL, {
      dbName: MONGODB_DATABASE,
      maxPoolSize: poolSize,
      autoIndex: false,
      autoCreate: false
    }),
    UsersModule,
    OrdersModule,
    AnalyticsModule,
    PostsModule
  ]
})
export class AppModule {}
