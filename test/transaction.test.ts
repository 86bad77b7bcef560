// The transaction plugin on PostgreSQL.
import './transaction/scope.test.ts'
import './transaction/before-reply.test.ts'
import './transaction/options.test.ts'
import './transaction/requests.test.ts'
import './transaction/sockets.test.ts'
import './transaction/faults.test.ts'
import './transaction/drizzle.test.ts'
import './transaction/random.test.ts'
