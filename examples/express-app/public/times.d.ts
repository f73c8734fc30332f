export function timeInWords(date: Date, now?: number): string
