/** What a person can do with leases: asks where something is lost, calls, tells what came of it. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { MenuSvg } from '@jupyterlab/ui-components';

import { attempt } from '../attempt';
import { ApiError } from '../errors';
import type { Words } from '../format';
import { CommandIDs } from '../tokens';
import type { LeaseAnswer, QuotaAnswer } from '../wire';
import type { ILeaseActions } from './components/context';
import type { IForKernel } from './components/request-form';
import {
  askExtension,
  askRevocation,
  confirmCancel,
  confirmRelease,
  RequestDialog
} from './dialogs';
import { RequestForm, type IFields } from './form';
import { suggestion } from './gauges';
import { localTimes } from './local-times';
import { binding, devices, granted, until, who, type Label } from './sentences';
import type { Leases } from './service';

export interface IActionsOptions {
  readonly service: Leases;
  readonly commands: JupyterFrontEnd['commands'];
  readonly words: Words;
  readonly label: Label;
  /** The notebooks of this server that compute on any of these devices. */
  readonly computing: (uuids: readonly string[]) => string[];
}

/** By how much a lease is extended with one click. */
export const STEPS = ['15m', '1h', '2h'] as const;

/** Milliseconds that an answer stays. */
const BRIEFLY = 6000;

export class LeaseActions implements ILeaseActions {
  constructor(private readonly _options: IActionsOptions) {
    this._menu = new MenuSvg({ commands: _options.commands });
    this._menu.addClass('gpuctl-ExtendMenu');
  }

  // Arrow functions: they are handed around without their object.

  readonly request = (model?: string, kernel?: IForKernel): void => {
    void this._try(async () => {
      const { service, words, label } = this._options;
      const { quota } = service.model.state;
      if (quota === null || this._isAsking) {
        return;
      }
      const form = new RequestForm({
        fields: {
          ...firstFields(quota),
          model: model ?? '',
          kernel: kernel?.id ?? ''
        },
        preview: body => service.preview(body),
        send: (body, key) => service.request(body, key)
      });
      const now = () => service.model.now();
      const dialog = new RequestDialog({
        ...{ form, quota, words, label, now, kernel }
      });
      this._isAsking = true;
      try {
        await dialog.launch();
      } finally {
        this._isAsking = false;
      }
      if (dialog.lease) {
        this._say(granted(dialog.lease, label, now(), words));
      }
    });
  };

  readonly extend = (lease: LeaseAnswer, anchor: HTMLElement): void => {
    this._menu.clearItems();
    for (const by of [...STEPS, '']) {
      this._menu.addItem({
        command: CommandIDs.extend,
        args: { lease: lease.id, by }
      });
    }
    const { left, bottom } = anchor.getBoundingClientRect();
    this._menu.open(left, bottom);
  };

  /** By `by`, such as `1h`; asks for it where it is empty. */
  readonly extendBy = (lease: LeaseAnswer, by: string): Promise<void> =>
    this._try(async () => {
      const { service, words, label } = this._options;
      const time = by || (await askExtension(service.model.state.quota, words));
      if (time === null) {
        return;
      }
      const answer = await service.extend(lease, time);
      const now = service.model.now();
      this._say(
        words.__(
          '%1: yours %2. %3',
          devices(answer.devices, label, words),
          until(answer, now, words),
          localTimes(answer.verdict.message, now, words)
        )
      );
    });

  readonly copy = (lease: LeaseAnswer): void => {
    // Not the browser's own clipboard: pages without https, such as a hub's in a closed net, have none.
    Clipboard.copyToSystem(binding(lease));
    const { words } = this._options;
    this._say(
      words.__(
        'Copied. Set it before anything uses the GPU: export in a terminal, %env in a notebook.'
      )
    );
  };

  readonly release = (lease: LeaseAnswer): void => {
    void this._try(async () => {
      const { service, words, label, computing } = this._options;
      const { waiting } = service.model.state.rows;
      const others = waiting.filter(({ mine }) => !mine).length;
      const isSure = await confirmRelease(
        lease,
        others,
        computing(lease.devices),
        label,
        service.model.now(),
        words
      );
      if (isSure) {
        await service.end(lease);
      }
    });
  };

  readonly accept = (lease: LeaseAnswer): void => {
    void this._try(async () => {
      await this._options.service.accept(lease);
    });
  };

  readonly decline = (lease: LeaseAnswer): void => {
    void this._try(async () => {
      await this._options.service.end(lease);
    });
  };

  readonly cancel = (lease: LeaseAnswer): void => {
    void this._try(async () => {
      if (await confirmCancel(lease, this._options.words)) {
        await this._options.service.end(lease);
      }
    });
  };

  readonly revoke = (lease: LeaseAnswer): void => {
    void this._try(async () => {
      const { service, words, label } = this._options;
      const now = service.model.now();
      const reason = await askRevocation(lease, label, now, words);
      if (reason === null) {
        return;
      }
      const name = who(lease, words);
      try {
        await service.end(lease, reason);
      } catch (refusal) {
        const isAdmin = service.model.state.quota?.admin;
        if (!(refusal instanceof ApiError) || isAdmin !== false) {
          throw refusal;
        }
        const text = words.__(
          'You are not an administrator any more: the lease of %1 goes on.',
          name
        );
        Notification.error(text, { autoClose: false });
        return;
      }
      this._say(words.__('The lease of %1 was revoked.', name));
    });
  };

  readonly loadHistory = (more: boolean): void => {
    void this._options.service.model.history.load(more);
  };

  readonly loadLog = (more: boolean): void => {
    void this._options.service.model.log.load(more);
  };

  private _say(message: string): void {
    Notification.success(message.trim(), { autoClose: BRIEFLY });
  }

  private _try(call: () => Promise<void>): Promise<void> {
    const { service, words } = this._options;
    return attempt(call, words, text =>
      localTimes(text, service.model.now(), words)
    );
  }

  private _isAsking = false;
  private readonly _menu: MenuSvg;
}

function firstFields(quota: QuotaAnswer): IFields {
  const { gpus, seconds } = suggestion(quota);
  const isShare = gpus > 0 && gpus < 1;
  return {
    kind: isShare ? 'share' : 'whole',
    count: '1',
    share: isShare ? String(gpus * 100) : '50',
    memory: '',
    duration: seconds % 3600 === 0 ? `${seconds / 3600}h` : `${seconds}s`,
    model: '',
    group: '',
    note: '',
    kernel: ''
  };
}
