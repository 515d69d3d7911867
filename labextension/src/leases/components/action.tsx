/** A button that does something with a lease. */

import * as React from 'react';

import type { LeaseAnswer } from '../../wire';
import type { ILeaseContext } from './context';

export interface IActionProps {
  readonly context: ILeaseContext;
  readonly text: string;
  /** Where `text` alone doesn't say which one. */
  readonly label?: string;
  /** What more there is to know of it; left out, the label. */
  readonly title?: string;
  readonly lease?: LeaseAnswer;
  readonly look?: 'main' | 'plain' | 'link';
  readonly opens?: 'menu' | 'dialog';
  readonly act: (anchor: HTMLElement) => void;
}

/**
 * Not `disabled` but said to be: a button that is disabled while it has the focus would lose it,
 * and couldn't tell why.
 */
export function Action(props: IActionProps): React.JSX.Element {
  const { context, text, label, title, lease, opens, act } = props;
  const { look = 'plain' } = props;
  const busy = lease !== undefined && context.state.busy.has(lease.id);
  const isOff = busy || context.blocked !== '';
  return (
    <button
      type="button"
      className={look === 'link' ? 'gpuctl-Link' : 'gpuctl-Button'}
      data-look={look}
      aria-disabled={isOff}
      aria-haspopup={opens}
      aria-label={label}
      title={context.blocked || (title ?? label)}
      onClick={event => {
        if (!isOff) {
          act(event.currentTarget);
        }
      }}
    >
      {text}
    </button>
  );
}

/**
 * Keeps the keyboard's place: where a button that was pressed goes away with what it stood for,
 * the focus moves to the part around it instead of to nowhere.
 */
export function Place(
  props: React.PropsWithChildren<{ className: string }>
): React.JSX.Element {
  const place = React.useRef<HTMLDivElement>(null);
  const pressed = React.useRef(false);
  React.useEffect(() => {
    if (pressed.current && document.activeElement === document.body) {
      pressed.current = false;
      place.current?.focus({ preventScroll: true });
    }
  });
  React.useEffect(() => {
    // From then on the person has chosen another place.
    const forget = () => {
      pressed.current = false;
    };
    document.addEventListener('pointerdown', forget, true);
    return () => {
      document.removeEventListener('pointerdown', forget, true);
    };
  }, []);
  return (
    <div
      ref={place}
      className={props.className}
      tabIndex={-1}
      onClick={() => {
        pressed.current = true;
      }}
    >
      {props.children}
    </div>
  );
}
