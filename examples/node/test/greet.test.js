import assert from 'node:assert/strict';
import { test } from 'node:test';

import { greet } from 'greet';

test('nobody is greeted, too', () => assert.equal(greet(''), 'Hello, nobody!'));
