import { expect, test } from 'vitest';
import { fieldsOf } from '../../cli/commands/work.js';

test.each([
  ['a,b', ['a', 'b']],
  [' a , IMDB Rating ', ['a', 'IMDB Rating']],
  ['Title,"IMDB Rating"', ['Title', 'IMDB Rating']],
  ['"a, b","say ""hi""",c', ['a, b', 'say "hi"', 'c']],
])('--fields %s names %j', (text, fields) => {
  expect(fieldsOf(text)).toEqual(fields);
});
