// The shell around every route.
import './app/settings.test.ts'
import './app/answers.test.ts'
import './app/errors.test.ts'
import './app/security.test.ts'
import './app/health.test.ts'
import './app/mongo.test.ts'
import './app/openapi.test.ts'
