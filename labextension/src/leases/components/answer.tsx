/** The top of the panel: what do I have, until when; and if nothing, how do I get one? */

import * as React from 'react';

import { localTimes } from '../local-times';
import { isEnding } from '../rows';
import { early, holding, offer, standing } from '../sentences';
import { clock } from '../times';
import { Action, Place } from './action';
import type { ILeaseContext } from './context';

/** What the person has or waits for; nothing where there is nothing. */
export function Answer(props: {
  context: ILeaseContext;
}): React.JSX.Element | null {
  const { context } = props;
  const { rows } = context.state;
  if (rows.offered.length + rows.active.length + rows.queued.length === 0) {
    return null;
  }
  return (
    <Place
      className={`gpuctl-Mine ${context.state.phase === 'away' ? 'gpuctl-Old' : ''}`}
    >
      {rows.offered.map(lease => (
        <Offered key={lease.id} context={context} lease={lease} />
      ))}
      {rows.active.length > 0 && <Holding context={context} />}
      {rows.queued.length > 0 && <Queued context={context} />}
    </Place>
  );
}

function Offered(props: {
  context: ILeaseContext;
  lease: ILeaseContext['state']['rows']['offered'][number];
}): React.JSX.Element {
  const { context, lease } = props;
  const { words, actions, now } = context;
  return (
    <div className="gpuctl-Mine-part" data-state="offered">
      <p className="gpuctl-Mine-line">{offer(lease, now, words)}</p>
      <div className="gpuctl-Buttons">
        <Action
          {...{ context, lease }}
          text={words.__('Accept')}
          look="main"
          act={() => {
            actions.accept(lease);
          }}
        />
        <Action
          {...{ context, lease }}
          text={words.__('Decline')}
          act={() => {
            actions.decline(lease);
          }}
        />
      </div>
    </div>
  );
}

/** One lease can be handled here; of several, each in its line below. */
function Holding({ context }: { context: ILeaseContext }): React.JSX.Element {
  const { words, actions, now } = context;
  const { active } = context.state.rows;
  const [first] = active;
  const ending = first !== undefined && isEnding(first, now);
  return (
    <div
      className="gpuctl-Mine-part"
      data-state={ending ? 'ending' : 'holding'}
    >
      <p className="gpuctl-Mine-line">
        {holding(active, now, words)}
        {ending && (
          <span className="gpuctl-Tag" data-tone="warning">
            {words.__('ends soon')}
          </span>
        )}
      </p>
      {first?.reason != null && (
        <p className="gpuctl-Mine-why">{early(first, words)}</p>
      )}
      {active
        .filter(({ problem }) => problem)
        .map(({ id, problem }) => (
          <p key={id} className="gpuctl-Mine-why" data-tone="warning">
            {localTimes(problem, now, words)}
          </p>
        ))}
      {first && active.length === 1 && (
        <div className="gpuctl-Buttons">
          {first.reason === null && (
            <Action
              {...{ context }}
              lease={first}
              text={words.__('Extend ▾')}
              label={words.__('Extend')}
              look={ending ? 'main' : 'plain'}
              opens="menu"
              act={anchor => {
                actions.extend(first, anchor);
              }}
            />
          )}
          <Action
            {...{ context }}
            lease={first}
            text={words.__('Release')}
            opens="dialog"
            act={() => {
              actions.release(first);
            }}
          />
        </div>
      )}
    </div>
  );
}

function Queued({ context }: { context: ILeaseContext }): React.JSX.Element {
  const { words, actions, now } = context;
  const { queued } = context.state.rows;
  const [first] = queued;
  return (
    <div className="gpuctl-Mine-part" data-state="queued">
      <p className="gpuctl-Mine-line">
        {first && words.__('You are %1', standing(first, now, words))}
      </p>
      {first?.verdict.message && (
        <p className="gpuctl-Mine-why">
          {localTimes(first.verdict.message, now, words)}
        </p>
      )}
      {first && queued.length === 1 && (
        <div className="gpuctl-Buttons">
          <Action
            {...{ context }}
            lease={first}
            text={words.__('Leave the line')}
            opens="dialog"
            act={() => {
              actions.cancel(first);
            }}
          />
        </div>
      )}
    </div>
  );
}

/** How to get one, where the person has nothing yet. */
export function Invitation(props: {
  context: ILeaseContext;
  /** Whether a device is free. */
  isFree: boolean;
}): React.JSX.Element | null {
  const { context, isFree } = props;
  const { words, actions, state, now } = context;
  const { rows, quota } = state;
  if (!quota || quota.largest === 0) {
    return null;
  }
  const nothing = rows.offered.length + rows.active.length === 0;
  if (!nothing || rows.queued.length > 0) {
    return null;
  }
  const first = rows.held.find(lease => lease.expires_at !== null);
  return (
    <div className="gpuctl-Invitation">
      {!isFree && first?.expires_at && (
        <p>
          {words.__(
            'The first lease ends %1.',
            clock(first.expires_at, now, words)
          )}
        </p>
      )}
      <Action
        context={context}
        text={isFree ? words.__('Request a GPU') : words.__('Get in line')}
        look="main"
        opens="dialog"
        act={() => {
          actions.request();
        }}
      />
    </div>
  );
}
