/** The calls of the server part that this wing makes. */

import type { ServerConnection } from '@jupyterlab/services';

import { get, getText, post, remove } from '../request';
import type {
  ReportFormat,
  ValidationAnswer,
  ValidationBody,
  ValidationsAnswer
} from '../wire';

/** Each throws as `get` of `request.ts`. */
export interface IValidationApi {
  all(): Promise<ValidationsAnswer>;
  one(id: string): Promise<ValidationAnswer>;
  start(body: ValidationBody): Promise<ValidationAnswer>;
  /** Stop it. */
  cancel(id: string): Promise<ValidationAnswer>;
  report(id: string, format: ReportFormat): Promise<string>;
}

export function validationApi(
  settings: ServerConnection.ISettings
): IValidationApi {
  const one = '/validations/{id}';
  return {
    all: () => get('/validations', {}, settings),
    one: id => get(one, { path: { id } }, settings),
    start: body => post('/validations', { body }, settings),
    cancel: id => remove(one, { path: { id } }, settings),
    report: (id, format) =>
      getText(
        '/validations/{id}/report',
        { path: { id }, query: { format } },
        settings
      )
  };
}
