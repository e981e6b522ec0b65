import { createServer } from 'node:http';

import { greet } from 'greet';

export const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  response.end(`${greet(searchParams.get('name'))}\n`);
});

if (process.argv[1] === new URL(import.meta.url).pathname) {
  server.listen(3000, () => console.log('listening'));
}
