import { Prop, Schema, SchemaFactory } from '@nestjs/mongoose'
import type { Types } from 'mongoose'

@Schema({ collection: 'posts', versionKey: false, timestamps: { createdAt: 'created_at', updatedAt: 'updated_at' } })
export class Post {
  @Prop({ required: true })
  title!: string

  @Prop({ required: true })
  content!: string

  @Prop({ required: true })
  category!: string

  @Prop({ required: true })
  author_id!: number

  @Prop()
  slug?: string

  created_at!: Date
  updated_at!: Date
}

/** The copy of a user that MongoDB holds. */
@Schema({ collection: 'users', versionKey: false })
export class UserCopy {
  @Prop()
  _id!: number

  @Prop({ required: true })
  name!: string

  @Prop({ required: true })
  email!: string
}

export const PostSchema = SchemaFactory.createForClass(Post)
export const UserCopySchema = SchemaFactory.createForClass(UserCopy)

export function withId<Fields extends object> ({ _id, ...fields }: Fields & { _id: Types.ObjectId }) {
  return { id: _id.toHexString(), ...fields }
}
