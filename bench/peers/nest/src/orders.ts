import { Body, Controller, Injectable, Module, Post } from '@nestjs/common'
import { TypeOrmModule } from '@nestjs/typeorm'
import { Type } from 'class-transformer'
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsDecimal,
  IsInt,
  Length,
  Max,
  Min,
  ValidateNested
} from 'class-validator'
import { DataSource } from 'typeorm'
import { Order, OrderItem } from './entities.js'

class CreateItemDto {
  @Length(1, 200)
  product!: string

  @IsInt()
  @Min(1)
  @Max(10_000)
  quantity!: number

  @IsDecimal({ decimal_digits: '0,2' })
  unit_price!: string
}

class CreateOrderDto {
  @IsInt()
  user_id!: number

  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ValidateNested({ each: true })
  @Type(() => CreateItemDto)
  items!: CreateItemDto[]
}

@Injectable()
class OrdersService {
  constructor (private readonly dataSource: DataSource) {}

  async create (body: CreateOrderDto) {
    const cents = body.items.reduce((sum, item) => sum + item.quantity * Math.round(Number(item.unit_price) * 100), 0)
    const items = body.items.map((item) => ({ ...item, unit_price: Number(item.unit_price).toFixed(2) }))
    return await this.dataSource.transaction(async (manager) => {
      return await manager.save(
        manager.create(Order, { user_id: body.user_id, total: (cents / 100).toFixed(2), items })
      )
    })
  }
}

@Controller('orders')
class OrdersController {
  constructor (private readonly service: OrdersService) {}

  @Post()
  create (@Body() body: CreateOrderDto) {
    return this.service.create(body)
  }
}

@Module({
  imports: [TypeOrmModule.forFeature([Order, OrderItem])],
  controllers: [OrdersController],
  providers: [OrdersService]
})
export class OrdersModule {}
