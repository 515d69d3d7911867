/** One line over time. uPlot draws it; React only places it. */

import * as React from 'react';
import uPlot from 'uplot';

import type { Column } from '../history';
import { inks } from './inks';

export interface IPlotProps {
  /** What is drawn, in words, for those who don't see it. */
  readonly label: string;
  readonly times: readonly number[];
  readonly values: Column;
  readonly className?: string;
  /** Which of the two hues. */
  readonly ink: 'utilization' | 'memory';
  /** The upper end of the scale, which stays. */
  readonly max: number;
  /** Seconds from the left edge to the right. */
  readonly span: number;
  /** Changes when there is something new to draw. */
  readonly version: number;
  /** With axes and a readout under the pointer; else a bare line. */
  readonly axes?: {
    readonly format: (value: number | null) => string;
    /** Told the value under the pointer; empty when the pointer has left. */
    readonly onReadout: (text: string) => void;
  };
}

export function Plot(props: IPlotProps): React.JSX.Element {
  const host = React.useRef<HTMLDivElement>(null);
  const plot = React.useRef<uPlot | null>(null);
  // uPlot asks for ranges and labels later: it must find the newest.
  const latest = React.useRef(props);
  React.useLayoutEffect(() => {
    latest.current = props;
  });
  const detailed = props.axes !== undefined;

  React.useEffect(() => {
    const element = host.current;
    if (!element) {
      return;
    }
    const size = () => ({
      width: Math.max(1, element.clientWidth),
      height: Math.max(1, element.clientHeight)
    });
    const drawn = new uPlot(
      { ...size(), ...options(latest, detailed) },
      data(latest.current),
      element
    );
    plot.current = drawn;
    const resized = new ResizeObserver(() => {
      drawn.setSize(size());
    });
    resized.observe(element);
    const unsubscribe = inks.onChange(() => {
      drawn.redraw(false);
    });
    return () => {
      unsubscribe();
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [detailed]);

  React.useEffect(() => {
    plot.current?.setData(data(latest.current));
  }, [props.version, props.max, props.values]);

  return (
    <div
      ref={host}
      role="img"
      aria-label={props.label}
      className={`gpuctl-Plot ${props.className ?? ''}`}
      data-ink={props.ink}
    />
  );
}

function data({ times, values }: IPlotProps): uPlot.AlignedData {
  return [times as number[], values];
}

type Latest = React.MutableRefObject<IPlotProps>;

function options(
  latest: Latest,
  detailed: boolean
): Omit<uPlot.Options, 'width' | 'height'> {
  const range = (): [number, number] => {
    const { times, span } = latest.current;
    const end = times[times.length - 1] ?? span;
    return [end - span, end];
  };
  return {
    padding: detailed ? [6, 1, 4, 0] : [1, 0, 1, 0],
    legend: { show: false },
    cursor: detailed
      ? { y: false, points: { show: false }, drag: { x: false, y: false } }
      : { show: false },
    scales: {
      x: { time: true, range },
      y: { range: () => [0, Math.max(latest.current.max, 1e-9)] }
    },
    axes: detailed ? axes(latest) : [{ show: false }, { show: false }],
    series: [
      {},
      {
        stroke: () => inks.get(latest.current.ink),
        fill: () => inks.faint(latest.current.ink),
        width: 1.25,
        points: { show: false }
      }
    ],
    hooks: detailed
      ? {
          setCursor: [
            (u: uPlot) => {
              latest.current.axes?.onReadout(readout(u, latest.current));
            }
          ]
        }
      : {}
  };
}

function readout(u: uPlot, { times, values, axes }: IPlotProps): string {
  const index = u.cursor.idx;
  const time = index == null ? undefined : times[index];
  if (index == null || time === undefined || !axes) {
    return '';
  }
  const clock = new Date(time * 1000).toLocaleTimeString();
  return `${clock}  ${axes.format(values[index] ?? null)}`;
}

function axes(latest: Latest): uPlot.Axis[] {
  const common: uPlot.Axis = {
    stroke: () => inks.get('text'),
    font: inks.font(),
    grid: { stroke: () => inks.get('grid'), width: 1 },
    ticks: { show: false }
  };
  return [
    {
      ...common,
      // The ends of the span stand below the plot, as text that never moves.
      size: 0,
      splits: u => {
        const { min = 0, max = 0 } = u.scales.x ?? {};
        return [min, (min + max) / 2, max];
      },
      values: () => []
    },
    {
      ...common,
      size: 56,
      gap: 4,
      splits: () => [0, latest.current.max / 2, latest.current.max],
      values: (_, splits) =>
        splits.map(split => latest.current.axes?.format(split) ?? '')
    }
  ];
}
