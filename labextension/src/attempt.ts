/** Run a call for a person; tell what went wrong, in the server's words. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import { ApiError, ServerAway } from './errors';
import type { Words } from './format';

/** Notifications cut what is longer. */
const LONGEST_TOAST = 140;

export async function attempt(
  call: () => Promise<void>,
  words: Words
): Promise<void> {
  try {
    await call();
  } catch (reason) {
    if (!(reason instanceof ApiError || reason instanceof ServerAway)) {
      throw reason;
    }
    const hint = reason instanceof ApiError ? reason.hint : '';
    const text = `${reason.message} ${hint}`.trim();
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
