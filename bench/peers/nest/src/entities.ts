import {
  Column,
  CreateDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  type Relation
} from 'typeorm'

@Entity('users')
export class User {
  @PrimaryGeneratedColumn('identity')
  id!: number

  @Column('text')
  email!: string

  @Column('text')
  name!: string

  @CreateDateColumn({ type: 'timestamptz' })
  created_at!: Date

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at!: Date
}

@Entity('orders')
export class Order {
  @PrimaryGeneratedColumn('identity')
  id!: number

  @Column('integer')
  user_id!: number

  @Column('text', { default: 'pending' })
  status!: string

  @Column('numeric', { precision: 18, scale: 2 })
  total!: string

  @CreateDateColumn({ type: 'timestamptz' })
  created_at!: Date

  @OneToMany(() => OrderItem, (item) => item.order, { cascade: true })
  items!: OrderItem[]
}

@Entity('order_items')
export class OrderItem {
  @PrimaryGeneratedColumn('identity')
  id!: number

  @ManyToOne(() => Order, (order) => order.items)
  @JoinColumn({ name: 'order_id' })
  order!: Relation<Order>

  @Column('text')
  product!: string

  @Column('integer')
  quantity!: number

  @Column('numeric', { precision: 18, scale: 2 })
  unit_price!: string
}

/** The copy of a post that PostgreSQL holds. */
@Entity('posts')
export class PostCopy {
  @PrimaryColumn('text')
  id!: string

  @Column('text')
  title!: string

  @Column('text')
  category!: string

  @Column('integer')
  author_id!: number

  // Analytics use it; no body shows it.
  @Column('integer', { select: false })
  content_length!: number

  @Column('timestamptz')
  created_at!: Date
}
