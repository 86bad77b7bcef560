// Another program with a lock on a database file: runs each line it is sent as SQL, and answers when it is done.
import Libsql from 'libsql'

const database = new Libsql(process.argv[2], { timeout: 0 })
process.on('message', (sql) => {
  database.exec(sql)
  process.send('done')
})
process.on('disconnect', () => { process.exit() })
process.send('ready')
