/** The one way to call the server part. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { paths } from './api';
import { ApiError, ServerAway } from './errors';
import type { ErrorAnswer } from './wire';

const PREFIX = 'gpuctl/api/v1';

/** How long an answer may take, in milliseconds, before the server counts as away. */
const PATIENCE = 10_000;

/** Paths that answer to GET, and what each takes and gives. */
type Get<P extends keyof paths> = paths[P]['get'];
type Query<P extends keyof paths> = Get<P>['parameters']['query'];
type Answer<P extends keyof paths> =
  Get<P>['responses'][200]['content']['application/json'];

/**
 * GET one path of the API.
 *
 * @throws ApiError where the server refuses
 * @throws ServerAway where it doesn't answer
 */
export async function get<P extends keyof paths>(
  path: P,
  query?: Query<P>,
  settings = ServerConnection.makeSettings()
): Promise<Answer<P>> {
  const url =
    URLExt.join(settings.baseUrl, PREFIX, path) +
    URLExt.objectToQueryString({ ...query });
  let response: Response;
  let body: string;
  try {
    response = await ServerConnection.makeRequest(
      url,
      { signal: AbortSignal.timeout(PATIENCE) },
      settings
    );
    body = await response.text();
  } catch (reason) {
    throw new ServerAway(reason);
  }
  if (response.ok) {
    return read(body) as Answer<P>;
  }
  // A gateway in front of a server that is gone.
  if (response.status === 502 || response.status === 504) {
    throw new ServerAway(body);
  }
  throw refusal(response.status, body);
}

function read(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // A log-in page, most likely, of the Hub or of a proxy.
    throw new ApiError(
      401,
      'http.unreadable',
      'The answer is not one of jupyter-gpuctl.',
      'You may have been logged out: load this page again.'
    );
  }
}

function refusal(status: number, body: string): ApiError {
  let answer: Partial<ErrorAnswer> = {};
  try {
    answer = JSON.parse(body) as Partial<ErrorAnswer>;
  } catch {
    // Not from us: a proxy's page, or Jupyter Server's own.
  }
  return new ApiError(
    status,
    answer.code ?? `http.${status}`,
    answer.message ?? `The server answered ${status}.`,
    answer.hint ?? '',
    answer.detail ?? {}
  );
}
