/** The dialogs: request, release, leave the line, revoke, extend by another time. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Words } from '../format';
import type { LeaseAnswer, QuotaAnswer } from '../wire';
import {
  RequestFormView,
  type IRequestFormProps
} from './components/request-form';
import { RevokeForm } from './components/revoke-form';
import type { RequestForm } from './form';
import { remaining } from './rows';
import { devices, who, type Label } from './sentences';
import { gpus, left, ordinal } from './times';

/** Of the two buttons of a dialog, the one that does something. */
const ACCEPT = 1;

class FormBody extends ReactWidget {
  constructor(private readonly _props: IRequestFormProps) {
    super();
  }

  protected override render(): React.JSX.Element {
    return <RequestFormView {...this._props} />;
  }
}

/** Stays open until the request was granted or queued, and shows why it wasn't. */
export class RequestDialog extends Dialog<void> {
  constructor(private readonly _props: IRequestFormProps) {
    super({
      title: _props.words.__('Request a GPU'),
      body: new FormBody(_props),
      buttons: [
        Dialog.cancelButton({ label: _props.words.__('Cancel') }),
        Dialog.okButton({ label: _props.words.__('Request') })
      ],
      focusNodeSelector: '#gpuctl-Form-gpus'
    });
  }

  /** What was granted or queued; `null` where the dialog was closed without. */
  get lease(): LeaseAnswer | null {
    return this._lease;
  }

  override resolve(index = ACCEPT): void {
    if (index === ACCEPT) {
      void this._send(this._props.form);
    } else {
      super.resolve(index);
    }
  }

  override dispose(): void {
    this._props.form.dispose();
    super.dispose();
  }

  private async _send(form: RequestForm): Promise<void> {
    const lease = await form.submit();
    if (lease && !this.isDisposed) {
      this._lease = lease;
      super.resolve(ACCEPT);
    }
  }

  private _lease: LeaseAnswer | null = null;
}

/** Whether to give a lease back; says what is lost. */
export async function confirmRelease(
  lease: LeaseAnswer,
  waiting: number,
  computing: readonly string[],
  label: Label,
  now: number,
  words: Words
): Promise<boolean> {
  const what = devices(lease.devices, label, words) || gpus(lease.gpus, words);
  const parts = [
    words.__('You lose the %1 that are left.', left(remaining(lease, now)))
  ];
  if (waiting > 0) {
    parts.push(
      words._n(
        '%1 request is waiting in line.',
        '%1 requests are waiting in line.',
        waiting
      )
    );
  }
  if (computing.length > 0) {
    parts.push(
      words.__(
        'Still computing there: %1. Somebody else may be given the GPU beside it.',
        computing.join(', ')
      )
    );
  }
  return confirm(
    words.__('Release %1?', what),
    parts.join(' '),
    words.__('Release'),
    words
  );
}

/** Whether to leave the queue. */
export async function confirmCancel(
  lease: LeaseAnswer,
  words: Words
): Promise<boolean> {
  const loss =
    lease.position === null
      ? words.__('You lose your place.')
      : words.__(
          'You lose your place: %1 in line. A new request begins at the end.',
          ordinal(lease.position, words)
        );
  return confirm(
    words.__('Leave the line?'),
    loss,
    words.__('Leave the line'),
    words
  );
}

async function confirm(
  title: string,
  body: string,
  label: string,
  words: Words
): Promise<boolean> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: words.__('Cancel') }),
      Dialog.warnButton({ label })
    ]
  });
  return button.accept;
}

/** Stays open until there is a reason. */
class RevokeDialog extends Dialog<void> {
  override resolve(index = ACCEPT): void {
    const input = this.node.querySelector('input');
    if (index !== ACCEPT || input?.reportValidity() !== false) {
      super.resolve(index);
    }
  }
}

/** Why another's lease is to be ended; `null`: it isn't. */
export async function askRevocation(
  lease: LeaseAnswer,
  label: Label,
  now: number,
  words: Words
): Promise<string | null> {
  const name = who(lease, words);
  const what = devices(lease.devices, label, words) || gpus(lease.gpus, words);
  let reason = '';
  const dialog = new RevokeDialog({
    title: words.__('Revoke the lease of %1?', name),
    body: ReactWidget.create(
      <RevokeForm
        words={words}
        loss={words.__(
          '%1 loses %2 at once, %3 before its time. Work that isn’t saved may be lost. %1 is told your reason; the audit keeps it.',
          name,
          what,
          left(remaining(lease, now))
        )}
        onReason={text => {
          reason = text;
        }}
      />
    ),
    buttons: [
      Dialog.cancelButton({ label: words.__('Cancel') }),
      Dialog.warnButton({ label: words.__('Revoke') })
    ],
    focusNodeSelector: '#gpuctl-Revoke-reason'
  });
  const { button } = await dialog.launch();
  return button.accept && reason ? reason : null;
}

/** By how much longer, as a person writes it; `null`: not at all. */
export async function askExtension(
  quota: QuotaAnswer | null,
  words: Words
): Promise<string | null> {
  const { button, value } = await InputDialog.getText({
    title: words.__('Extend by how much?'),
    label: quota
      ? words.__(
          'Such as 45m or 1h30m. A lease may last %1.',
          left(quota.max_lease)
        )
      : words.__('Such as 45m or 1h30m.'),
    text: '45m',
    okLabel: words.__('Extend'),
    cancelLabel: words.__('Cancel')
  });
  return button.accept && value?.trim() ? value.trim() : null;
}
