/** Keeps JupyterLab's notifications in step with what there is to tell. */

import { Notification } from '@jupyterlab/apputils';

export interface INoticeOf<A extends string> {
  /** What it is about: there is one at a time for each. */
  readonly key: string;
  /** When it changes, the notice is shown anew, even if it was closed. */
  readonly stage: string;
  readonly type: 'info' | 'success' | 'warning' | 'error';
  readonly message: string;
  readonly actions: readonly A[];
  /** Milliseconds; `false`: until it is moot or closed. */
  readonly autoClose: number | false;
}

/** The notices that stand for what is so are known apart from those of what has happened. */
interface IShown {
  readonly id: string;
  readonly stage: string;
  readonly message: string;
  readonly stands: boolean;
}

export interface INotificationsOptions<
  A extends string,
  N extends INoticeOf<A>
> {
  readonly labels: Readonly<Record<A, string>>;
  readonly act: (action: A, notice: N) => void;
}

export class Notifications<A extends string, N extends INoticeOf<A>> {
  constructor(private readonly _options: INotificationsOptions<A, N>) {}

  /** Show these, mend those that have changed, and dismiss the others. */
  reconcile(notices: readonly N[]): void {
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
  tell(notice: N): void {
    this._show(notice, false);
  }

  /** Take it away, whether or not it was told; it can be told again. */
  withdraw({ key, stage }: N): void {
    const shown = this._shown.get(key);
    if (shown?.stage === stage) {
      Notification.dismiss(shown.id);
      this._shown.delete(key);
    }
  }

  private _show(notice: N, stands: boolean): void {
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

  private _actions(notice: N): Notification.IAction[] {
    return notice.actions.map((action, index) => ({
      label: this._options.labels[action],
      displayType: index === 0 ? 'accent' : 'default',
      callback: () => {
        this._options.act(action, notice);
      }
    }));
  }

  private readonly _shown = new Map<string, IShown>();
}
