/** All devices: roomy where there are few, and low enough that sixteen fit. */

import * as React from 'react';

import { shortDeviceName } from '../../format';
import type { IDeviceRow } from '../rows';
import type { IPanelContext } from './context';
import { DeviceLine } from './device';
import { Section } from './section';

/** More devices than this stand in lower lines. */
const ROOMY = 4;

export function Devices(props: {
  context: IPanelContext;
  rows: readonly IDeviceRow[];
}): React.JSX.Element {
  const { context, rows } = props;
  const { words } = context;
  const wholes = rows.filter(row => !row.isInstance);
  const models = new Set(wholes.map(row => row.device.name));
  const compact = rows.length > ROOMY;
  const [model] = models;
  const shared = compact && models.size === 1 && model !== undefined;
  return (
    <Section
      context={context}
      name="devices"
      title={words.__('Devices')}
      aside={
        shared
          ? words.__('%1 × %2', wholes.length, shortDeviceName(model))
          : undefined
      }
    >
      <ul
        className="gpuctl-Devices"
        data-density={compact ? 'compact' : 'roomy'}
      >
        {rows.map(row => (
          <DeviceLine
            key={row.device.uuid}
            context={context}
            row={row}
            openAtFirst={rows.length === 1}
            named={!shared}
          />
        ))}
      </ul>
    </Section>
  );
}
