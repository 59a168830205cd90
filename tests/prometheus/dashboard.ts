// Grafana's own types of a dashboard, as the JSON of a dashboard has to be. dashboard.rs puts each panel after it as a
// constant of its type, and the compiler finds what is missing, unknown or of another type.
import type { Dashboard, DataQuery, DataSourceRef, FieldConfig, Panel, RowPanel } from "@grafana/schema";
import type { Options as GaugeOptions } from "@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen";
import type {
  FieldConfig as HeatmapField,
  Options as HeatmapOptions,
} from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimeSeriesField,
  Options as TimeSeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** The words of an enum in place of its members, because JSON has only the words. */
type Written<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer E)[]
      ? Written<E>[]
      : { [K in keyof T]: Written<T[K]> };

/** Some of the keys: Grafana has a default for each option, which its types do not say. */
type Some<T> = T extends object ? { [K in keyof T]?: Some<T[K]> } : T;

type Of<Type, Options, Field> = Written<
  Omit<Panel, "type" | "options" | "targets" | "fieldConfig"> & {
    id: number;
    type: Type;
    options: Some<Options>;
    fieldConfig: { defaults: Omit<FieldConfig, "custom"> & { custom?: Some<Field> }; overrides: [] };
    targets: Query[];
    datasource: DataSourceRef;
  }
>;

/** The data source of Prometheus publishes no types. These are the keys that it reads. */
interface Query extends DataQuery {
  expr: string;
  legendFormat: string;
  format: "time_series" | "heatmap";
  editorMode: "code";
  instant: boolean;
  range: boolean;
}

type WholeDashboard = Written<Omit<Dashboard, "panels">>;
type row = Written<RowPanel>;
type stat = Of<"stat", StatOptions, {}>;
type gauge = Of<"gauge", GaugeOptions, {}>;
type timeseries = Of<"timeseries", TimeSeriesOptions, TimeSeriesField>;
type heatmap = Of<"heatmap", HeatmapOptions, HeatmapField>;

