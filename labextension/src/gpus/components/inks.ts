/**
 * The colours of plots. A canvas doesn't follow style sheets, so they are read from the theme's
 * CSS variables once, and again whenever the theme changes.
 */

const VARIABLES = {
  utilization: '--gpuctl-utilization',
  memory: '--gpuctl-memory',
  text: '--jp-ui-font-color2',
  grid: '--jp-border-color2'
} as const;

export type Ink = keyof typeof VARIABLES;

class Inks {
  get(ink: Ink): string {
    return this._read(VARIABLES[ink]);
  }

  /** The same hue, see-through: the area under a line. */
  faint(ink: 'utilization' | 'memory'): string {
    return this._read(`${VARIABLES[ink]}-faint`);
  }

  font(): string {
    return `10px ${this._read('--jp-ui-font-family')}`;
  }

  /** Calls back after the theme has changed; gives back how to stop that. */
  onChange(callback: () => void): () => void {
    this._callbacks.add(callback);
    this._observe();
    return () => {
      this._callbacks.delete(callback);
      if (this._callbacks.size === 0) {
        this._observer?.disconnect();
        this._observer = null;
        this._cache.clear();
      }
    };
  }

  private _read(variable: string): string {
    let value = this._cache.get(variable);
    if (value === undefined) {
      value = getComputedStyle(document.body).getPropertyValue(variable).trim();
      this._cache.set(variable, value);
    }
    return value;
  }

  private _observe(): void {
    if (this._observer) {
      return;
    }
    const changed = () => {
      this._cache.clear();
      this._callbacks.forEach(callback => {
        callback();
      });
    };
    // JupyterLab names the theme on the body, after its style sheet has been loaded.
    this._observer = new MutationObserver(changed);
    this._observer.observe(document.body, {
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    window
      .matchMedia('(forced-colors: active)')
      .addEventListener('change', changed);
  }

  private _observer: MutationObserver | null = null;
  private readonly _cache = new Map<string, string>();
  private readonly _callbacks = new Set<() => void>();
}

export const inks = new Inks();
