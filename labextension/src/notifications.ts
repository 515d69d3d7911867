/** Keeps JupyterLab's notifications in step with what there is to tell. */

import { Notification } from '@jupyterlab/apputils';

export interface IStandingNotice<A extends string = string> {
  /** What it is about: there is one at a time for each. */
  readonly key: string;
  /** When it changes, the notice is shown anew, even if it was closed. */
  readonly stage: string;
  readonly type: 'info' | 'success' | 'warning' | 'error';
  readonly message: string;
  readonly actions: readonly A[];
}

export interface IStandingOptions<
  A extends string,
  N extends IStandingNotice<A>
> {
  readonly labels: Readonly<Record<A, string>>;
  readonly act: (action: A, notice: N) => void;
}

/** For what holds as long as it is so: each is shown until it is moot, or closed by a person. */
export class StandingNotifications<
  A extends string,
  N extends IStandingNotice<A>
> {
  constructor(private readonly _options: IStandingOptions<A, N>) {}

  /** Show these, mend those that have changed, and dismiss the others. */
  reconcile(notices: readonly N[]): void {
    const keys = new Set(notices.map(({ key }) => key));
    for (const [key, { id }] of this._shown) {
      if (!keys.has(key)) {
        Notification.dismiss(id);
        this._shown.delete(key);
      }
    }
    notices.forEach(notice => {
      this._show(notice);
    });
  }

  private _show(notice: N): void {
    const { key, stage, type, message } = notice;
    const options = {
      actions: this._actions(notice),
      autoClose: false
    } as const;
    const before = this._shown.get(key);
    if (before?.stage === stage) {
      // Closed by a person, it stays closed: an update of what isn't there does nothing.
      if (before.message !== message) {
        Notification.update({ id: before.id, message, ...options });
        this._shown.set(key, { ...before, message });
      }
      return;
    }
    if (before) {
      Notification.dismiss(before.id);
    }
    const id = Notification.emit(message, type, options);
    this._shown.set(key, { id, stage, message });
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

  private readonly _shown = new Map<
    string,
    { id: string; stage: string; message: string }
  >();
}
