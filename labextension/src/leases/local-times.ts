/** The server writes times in UTC, as it doesn't know where its readers are. Here they are local. */

import type { Words } from '../format';
import { clock } from './times';

const DAY = 864e5;
const HOUR = 36e5;

const WEEKDAYS = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday'
];

/** `14:20 UTC`, `Monday 00:00 UTC`, `2027-01-11 10:00 UTC`, as `leases/rules/verdicts.py` writes them. */
const MOMENT = new RegExp(
  `(?:(\\d{4}-\\d\\d-\\d\\d) |(${WEEKDAYS.join('|')}) )?(\\d\\d):(\\d\\d) UTC`,
  'g'
);

/** `text` with its times on the reader's clock. */
export function localTimes(text: string, now: number, words: Words): string {
  return text.replace(
    MOMENT,
    (
      _,
      date: string | undefined,
      weekday: string | undefined,
      hours: string,
      minutes: string
    ) => {
      const time = Number(hours) * HOUR + Number(minutes) * 6e4;
      const then =
        date !== undefined
          ? Date.parse(`${date}T00:00Z`) + time
          : weekday !== undefined
            ? onWeekday(WEEKDAYS.indexOf(weekday), time, now)
            : near(time, now);
      return clock(new Date(then).toISOString(), now, words);
    }
  );
}

/** The next time that it is `time` on a weekday. */
function onWeekday(weekday: number, time: number, now: number): number {
  const today = now - (now % DAY);
  const ahead = (weekday - new Date(today).getUTCDay() + 7) % 7;
  const then = today + ahead * DAY + time;
  return then < now ? then + 7 * DAY : then;
}

/** Of yesterday, today and tomorrow, the day that a time without one means. */
function near(time: number, now: number): number {
  const today = now - (now % DAY) + time;
  const meant = [today, today + DAY, today - DAY].find(
    then => then - now > -HOUR && then - now < DAY / 2
  );
  return meant ?? today;
}
