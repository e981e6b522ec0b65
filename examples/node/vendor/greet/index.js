export const greet = (name) => `Hello, ${name || 'nobody'}!`;
