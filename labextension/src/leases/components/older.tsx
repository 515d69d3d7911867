/** What stands in the place of a list that is empty, and under one that has older rows. */

import * as React from 'react';

import type { IPages } from '../pages';
import { Action } from './action';
import type { ILeaseContext } from './context';

interface IOlderProps {
  readonly context: ILeaseContext;
  readonly pages: IPages<unknown>;
  /** What would stand here. */
  readonly empty: string;
  readonly load: (more: boolean) => void;
}

export function Older(props: IOlderProps): React.JSX.Element | null {
  const { context, pages, empty, load } = props;
  const { words } = context;
  const unasked = pages.phase === 'unasked';
  React.useEffect(() => {
    if (unasked) {
      load(false);
    }
  }, [unasked, load]);
  if (pages.items.length > 0) {
    return pages.next === null ? null : (
      <p className="gpuctl-Leases-more">
        <Action
          context={context}
          text={words.__('Show older ones')}
          look="link"
          act={() => {
            load(true);
          }}
        />
      </p>
    );
  }
  return (
    <p className="gpuctl-Empty">
      {pages.phase === 'known'
        ? empty
        : pages.phase === 'failed'
          ? words.__('It could not be read.')
          : words.__('Reading…')}{' '}
      {pages.phase === 'failed' && (
        <Action
          context={context}
          text={words.__('Try again')}
          look="link"
          act={() => {
            load(false);
          }}
        />
      )}
    </p>
  );
}
