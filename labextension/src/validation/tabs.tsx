/** The two kinds of tabs: a validation while and after it runs, and its report. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import type { Words } from '../format';
import { validationIcon } from '../icons';
import { ValidationView, type IValidationProps } from './components/validation';
import type { Follower } from './follower';
import { subject } from './sentences';

export class ValidationTab extends ReactWidget {
  constructor(private readonly _props: IValidationProps) {
    super();
    const { follower, words } = _props;
    this.id = `jupyter-gpuctl-validation-${follower.id}`;
    this.title.icon = validationIcon;
    this.title.closable = true;
    this.title.label = words.__('Validation');
    this.addClass('gpuctl-ValidationTab');
    follower.changed.connect(() => {
      this._onChanged();
    });
  }

  get follower(): Follower {
    return this._props.follower;
  }

  override dispose(): void {
    this._props.follower.dispose();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <ValidationView {...this._props} />;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.follower.touch();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.follower.touch();
  }

  private _onChanged(): void {
    const { answer } = this.follower.state;
    if (answer) {
      const { words } = this._props;
      this.title.label = words.__(
        'Validation: %1',
        subject(answer.paths, words)
      );
      this.title.caption = answer.paths.join('\n');
    }
  }
}

/**
 * The report in a frame of its own: without the origin of this page its script, which its own
 * policy names, can reach nothing here.
 */
export class ReportTab extends ReactWidget {
  constructor(
    id: string,
    private readonly _title: string,
    private readonly _report: string,
    words: Words
  ) {
    super();
    this.id = `jupyter-gpuctl-report-${id}`;
    this.title.icon = validationIcon;
    this.title.closable = true;
    this.title.label = words.__('Report: %1', _title);
    this.addClass('gpuctl-ReportTab');
  }

  protected override render(): React.JSX.Element {
    return (
      <iframe
        title={this._title}
        sandbox="allow-scripts"
        srcDoc={this._report}
      />
    );
  }
}
