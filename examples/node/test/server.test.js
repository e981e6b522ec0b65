import assert from 'node:assert/strict';
import { test } from 'node:test';

import { server } from '../server.js';

test('the server greets by name', async () => {
  await new Promise((resolve) => server.listen(0, resolve));
  const answer = await fetch(`http://localhost:${server.address().port}/?name=Ada`);
  assert.equal(await answer.text(), 'Hello, Ada!\n');
  server.close();
});
