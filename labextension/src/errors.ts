/** How a call of the server part can fail. */

import type { ErrorAnswer } from './wire';

/** The server answered, and refused. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string = '',
    readonly detail: ErrorAnswer['detail'] = {}
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** No answer at all: the server has stopped, or the network is down. */
export class ServerAway extends Error {
  constructor(cause?: unknown) {
    super('The Jupyter server does not answer.');
    this.name = 'ServerAway';
    this.cause = cause;
  }
}
