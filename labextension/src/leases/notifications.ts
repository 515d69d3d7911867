/** Keeps JupyterLab's notifications in step with what there is to tell. */

import { Notification } from '@jupyterlab/apputils';

import type { Words } from '../format';
import type { INotice, NoticeAction } from './notices';

/** The notices that stand for what is so are known apart from those of what has happened. */
interface IShown {
  readonly id: string;
  readonly stage: string;
  readonly message: string;
  readonly stands: boolean;
}

export interface INotificationsOptions {
  readonly words: Words;
  readonly act: (action: NoticeAction, notice: INotice) => void;
}

export class Notifications {
  constructor(private readonly _options: INotificationsOptions) {}

  /** Show these, mend those that have changed, and dismiss the others. */
  reconcile(notices: readonly INotice[]): void {
    const keys = new Set(notices.map(({ key }) => key));
    for (const [key, shown] of this._shown) {
      if (shown.stands && !keys.has(key)) {
        Notification.dismiss(shown.id);
        this._shown.delete(key);
      }
    }
    for (const notice of notices) {
      this._show(notice, true);
    }
  }

  /** Tell once of something that has happened. */
  tell(notice: INotice): void {
    this._show(notice, false);
  }

  private _show(notice: INotice, stands: boolean): void {
    const { key, stage, type, message, autoClose } = notice;
    const before = this._shown.get(key);
    const actions = this._actions(notice);
    if (before?.stage === stage) {
      // Closed by a person, it stays closed: an update of what isn't there does nothing.
      if (before.message !== message) {
        Notification.update({ id: before.id, message, actions, autoClose });
        this._shown.set(key, { ...before, message });
      }
      return;
    }
    if (before) {
      Notification.dismiss(before.id);
    }
    const id = Notification.emit(message, type, { actions, autoClose });
    this._shown.set(key, { id, stage, message, stands });
  }

  private _actions(notice: INotice): Notification.IAction[] {
    const { words } = this._options;
    const labels: Record<NoticeAction, string> = {
      accept: words.__('Accept'),
      decline: words.__('Decline'),
      extend: words.__('Extend by 1 hour'),
      release: words.__('Release…'),
      request: words.__('Request again')
    };
    return notice.actions.map((action, index) => ({
      label: labels[action],
      displayType: index === 0 ? 'accent' : 'default',
      callback: () => {
        this._options.act(action, notice);
      }
    }));
  }

  private readonly _shown = new Map<string, IShown>();
}
