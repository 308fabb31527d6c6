import { describe, expect, it } from 'vitest';
import { compileFormat } from '../../../domain/quality/format.js';

describe('compileFormat', () => {
  const cases: [string, string, object | undefined][] = [
    ['M/D/YY', '4/2/15', { month: 4, day: 2, year: 2015 }],
    ['M/D/YY', '1/1/71', { month: 1, day: 1, year: 1971 }],
    ['M/D/YY', '04/02/15', undefined],
    ['M/D/YY', '2/30/15', undefined],
    ['MM/DD/YYYY', '04/02/2015', { month: 4, day: 2, year: 2015 }],
    ['yyyy-mm-dd', '2015-04-02', { month: 4, day: 2, year: 2015 }],
    ['YYYY-MM-DD', '2015-02-29', undefined],
    ['h:mm a.m.', '7:10 a.m.', { hour: 7, minute: 10 }],
    ['h:mm a.m.', '12:05 p.m.', { hour: 12, minute: 5 }],
    ['h:mm a.m.', '12:05 a.m.', { hour: 0, minute: 5 }],
    ['h:mm a.m.', '07:10 a.m.', undefined],
    ['h:mm a.m.', '13:10 p.m.', undefined],
    ['h:mm A', '7:10 P', { hour: 19, minute: 10 }],
    ['hh:mm AM', '07:10 PM', { hour: 19, minute: 10 }],
    ['h:mm AM/PM', '7:10 PM', { hour: 19, minute: 10 }],
    ['HH:MM', '19:05', { hour: 19, minute: 5 }],
    ['YYYY-MM-DD HH:mm:ss', '2015-04-02 19:05:09', { year: 2015, month: 4, day: 2, hour: 19, minute: 5, second: 9 }],
    ["yyyy-MM-dd'T'HH:mm", '2015-04-02T19:05', { year: 2015, month: 4, day: 2, hour: 19, minute: 5 }],
    ['MMM D, YYYY', 'Apr 2, 2015', { month: 4, day: 2, year: 2015 }],
    [
      "yyyy-MM-dd'T'HH:mm:ssX",
      '2015-04-02T19:05:09Z',
      { year: 2015, month: 4, day: 2, hour: 19, minute: 5, second: 9 },
    ],
    ['HH:mm:ss.SSS', '19:05:09.000', { hour: 19, minute: 5, second: 9 }],
    ['%m/%d/%y', '04/02/15', { month: 4, day: 2, year: 2015 }],
    ['%-I:%M %p', '7:10 PM', { hour: 19, minute: 10 }],
    ['%d %B %Y', '02 April 2015', { month: 4, day: 2, year: 2015 }],
  ];
  it.each(cases)('%s reads %s', (format, text, parts) => {
    expect(compileFormat(format).parse(text)).toEqual(parts);
  });

  it.each(cases.filter(([, , parts]) => parts !== undefined))('%s writes %s back', (format, text) => {
    const compiled = compileFormat(format);
    expect(compiled.render(compiled.parse(text) ?? {})).toBe(text);
  });

  it('knows which values show whether zeros are padded', () => {
    const { showsPadding } = compileFormat('MMM D YYYY');
    expect([9, 10].map((day) => showsPadding({ year: 2015, month: 1, day }))).toEqual([true, false]);
  });

  it('reads loosely with or without zeros and in any case', () => {
    expect(compileFormat('M/D/YY').parseLoosely('04/02/15')).toEqual({ month: 4, day: 2, year: 2015 });
    expect(compileFormat('h:mm a.m.').parseLoosely('7:10 PM')).toEqual({ hour: 19, minute: 10 });
  });

  it.each(['', '...', '%Q', 'xyz'])('refuses "%s"', (format) => {
    expect(() => compileFormat(format)).toThrow(expect.objectContaining({ type: 'InvalidFormat' }) as Error);
  });
});
