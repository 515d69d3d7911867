/** The one way to call the server part. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { paths } from './api';
import { ApiError, ServerAway } from './errors';
import type { ErrorAnswer } from './wire';

const PREFIX = 'gpuctl/api/v1';

/** How long an answer may take, in milliseconds, before the server counts as away. */
const PATIENCE = 10_000;

type Verb = 'get' | 'post' | 'patch' | 'delete';

/** One verb of one path, as the OpenAPI document has it. */
type Operation<P extends keyof paths, V extends Verb> = NonNullable<
  paths[P][V]
>;

/** The paths that take a verb. */
type Taking<V extends Verb> = {
  [P in keyof paths]: [Operation<P, V>] extends [never] ? never : P;
}[keyof paths];

/** What a verb takes: what is in the path, the query, the headers, the body. */
type Sent<O> = (O extends { parameters: infer Q } ? Omit<Q, 'cookie'> : never) &
  (O extends { requestBody: { content: { 'application/json': infer B } } }
    ? { body: B }
    : { body?: undefined });

/** What it answers when all is well. */
type Answer<O> = O extends { responses: infer R }
  ? {
      [S in keyof R & (200 | 201)]: R[S] extends {
        content: { 'application/json': infer B };
      }
        ? B
        : never;
    }[keyof R & (200 | 201)]
  : never;

/** What can be sent, in whatever call. */
interface ISent {
  path?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
  header?: Record<string, string | undefined>;
  body?: unknown;
}

/** A call of one path with one verb. */
function verb<V extends Verb>(method: Uppercase<V>) {
  return <P extends Taking<V>>(
    path: P,
    sent: Sent<Operation<P, V>>,
    settings?: ServerConnection.ISettings
  ): Promise<Answer<Operation<P, V>>> =>
    call(method, path, sent as ISent, settings);
}

/**
 * GET one path of the API.
 *
 * @throws ApiError where the server refuses
 * @throws ServerAway where it doesn't answer
 */
export const get = verb<'get'>('GET');

/** POST to one path; what is made twice with one `Idempotency-Key` is made once. Throws as {@link get}. */
export const post = verb<'post'>('POST');

/** PATCH one path. Throws as {@link get}. */
export const patch = verb<'patch'>('PATCH');

/** DELETE one path. Throws as {@link get}. */
export const remove = verb<'delete'>('DELETE');

/** GET one path whose answer is a text of its own kind. Throws as {@link get}. */
export function getText<P extends Taking<'get'>>(
  path: P,
  sent: Sent<Operation<P, 'get'>>,
  settings?: ServerConnection.ISettings
): Promise<string> {
  return callText('GET', path, sent, settings);
}

async function call<T>(
  method: string,
  template: string,
  sent: ISent,
  settings?: ServerConnection.ISettings
): Promise<T> {
  return read(await callText(method, template, sent, settings)) as T;
}

async function callText(
  method: string,
  template: string,
  sent: ISent,
  settings = ServerConnection.makeSettings()
): Promise<string> {
  let response: Response;
  let body: string;
  try {
    response = await ServerConnection.makeRequest(
      address(settings.baseUrl, template, sent),
      {
        method,
        signal: AbortSignal.timeout(PATIENCE),
        ...(sent.header && { headers: given(sent.header) }),
        ...(sent.body !== undefined && { body: JSON.stringify(sent.body) })
      },
      settings
    );
    body = await response.text();
  } catch (reason) {
    throw new ServerAway(reason);
  }
  if (response.ok) {
    return body;
  }
  // A gateway in front of a server that is gone.
  if (response.status === 502 || response.status === 504) {
    throw new ServerAway(body);
  }
  throw refusal(response.status, body);
}

function address(baseUrl: string, template: string, sent: ISent): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(sent.path?.[name] ?? '')
  );
  return (
    URLExt.join(baseUrl, PREFIX, path) +
    URLExt.objectToQueryString(given(sent.query))
  );
}

/** Without what is `undefined`: it would be sent by that name. */
function given<T>(
  values: Record<string, T | undefined> = {}
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, T] => entry[1] !== undefined
    )
  );
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
