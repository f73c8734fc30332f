/** Makes the reports and plots of bench/results anew, from what was measured before: `npm run bench:report`. */
import { writeReports } from './support/report.ts'

await writeReports()
