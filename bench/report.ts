/** Writes the reports and plots of bench/results again from the saved results: `npm run bench:report`. */
import { writeReports } from './support/report.ts'

await writeReports()
