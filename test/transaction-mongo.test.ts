// The transaction plugin on MongoDB.
import './transaction/mongo.test.ts'
import './transaction/mongo-faults.test.ts'
