/** Calls that a person makes: what goes wrong is told in the server's words. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import { ApiError, ServerAway } from './errors';
import type { Words } from './format';

/** Notifications cut what is longer. */
const LONGEST_TOAST = 140;

/** Run it; never rejects for what the server says. `mend` is applied to its words. */
export async function attempt(
  call: () => Promise<void>,
  words: Words,
  mend: (text: string) => string = text => text
): Promise<void> {
  try {
    await call();
  } catch (reason) {
    if (!(reason instanceof ApiError || reason instanceof ServerAway)) {
      throw reason;
    }
    const hint = reason instanceof ApiError ? reason.hint : '';
    const text = mend(`${reason.message} ${hint}`.trim());
    if (text.length <= LONGEST_TOAST) {
      Notification.error(text, { autoClose: false });
    } else {
      await showDialog({
        title: words.__('Not done'),
        body: text,
        buttons: [Dialog.okButton()]
      });
    }
  }
}
