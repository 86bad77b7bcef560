// NestJS as its guides write it: platform-express, TypeORM, Mongoose, class-validator. Same routes, bodies and headers.
import 'reflect-metadata'
import { ValidationPipe } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import helmet from 'helmet'
import pg from 'pg'
import { AppModule } from './app.module.js'

// Ids are bigint, which pg gives as text.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] })
app.use(helmet())
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }))
// SIGTERM closes the server and both databases.
app.enableShutdownHooks()
await app.listen(Number(process.env['PORT']), '127.0.0.1')
