"""pandas 2.2.3: frames, groups, joins, time series, text, input and output, and errors."""
import io
import warnings

import numpy as np
import pandas as pd

pd.set_option("display.width", 120)


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error).splitlines()[0])


print(pd.__version__, np.__version__)
frame = pd.DataFrame({
    "city": ["Berlin", "Paris", "Rome", "Berlin", "Rome", None],
    "year": [2020, 2020, 2021, 2021, 2022, 2022],
    "value": [1.5, 2.5, np.nan, 4.0, -1.25, 3.0],
    "when": pd.to_datetime(["2020-01-01", "2020-06-01", "2021-01-15", "2021-03-28", "2022-10-30", "2022-12-31"]),
})
frame["kind"] = frame["city"].astype("category")
print(frame.dtypes)
print(frame)
print(frame.describe().round(3))
print(frame.groupby("city", dropna=False)["value"].agg(["count", "sum", "mean"]))
print(frame.groupby(["city", "year"], observed=True).size().unstack(fill_value=0))
print(frame.pivot_table(index="city", columns="year", values="value", aggfunc="max"))
print(frame.sort_values(["value"], ascending=False).head(3)[["city", "value"]])
print(frame.query("value > 1 and year < 2022").index.tolist(), frame["value"].rank().tolist(), frame["city"].value_counts().to_dict())
print(frame.merge(pd.DataFrame({"city": ["Berlin", "Rome"], "country": ["DE", "IT"]}), how="left", on="city")[["city", "country"]])
print(pd.concat([frame.head(1), frame.tail(1)], ignore_index=True).T)
print(frame.set_index("when")["value"].resample("YS").sum(), frame["value"].interpolate().rolling(2).mean().tolist())
print(frame.melt(id_vars="city", value_vars=["year", "value"], value_name="was").tail(3), frame["city"].str.upper().str.slice(0, 3).tolist())
print(frame["value"].fillna(0).cumsum().tolist(), frame.drop_duplicates("city").shape, frame["value"].corr(frame["year"]).round(6))
print(frame.apply(lambda row: f"{row.city}/{row.year}", axis=1).tolist(), pd.cut(frame["value"], [-2, 0, 2, 5]).astype(str).tolist())

series = pd.Series(range(6), index=pd.date_range("2024-03-30", periods=6, freq="12h", tz="Europe/Berlin"))
print(series, series.tz_convert("UTC").index[-1], series.asfreq("D").tolist())
print(pd.Timestamp("2024-02-29 12:00", tz="America/New_York") + pd.DateOffset(years=1), pd.Timedelta("1 day 2h") / pd.Timedelta("1h"), pd.Period("2024Q1").end_time)
print(pd.bdate_range("2024-01-05", periods=3).strftime("%a %d").tolist(), pd.to_datetime("03/04/2024", dayfirst=True), pd.infer_freq(series.index))
multi = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])
print(pd.Series([1, 2, 3, 4], multi).loc["b"].to_dict(), pd.Series([1, 2, 3, 4], multi).groupby(level="number").sum().tolist())
print(pd.array([1, None, 3], dtype="Int64") + 1, pd.array(["x", None], dtype="string"), pd.arrays.SparseArray([0, 0, 1]).density, pd.Interval(0, 1).overlaps(pd.Interval(1, 2)))

text = frame.to_csv(index=False)
print(text)
again = pd.read_csv(io.StringIO(text), parse_dates=["when"])
print(again.equals(frame.drop(columns="kind").assign(kind=frame["kind"].astype(object))), again.shape)
print(pd.read_csv(io.StringIO("a;b\n1,5;x\n2,5;y\n"), sep=";", decimal=",", dtype={"b": "category"}).dtypes.astype(str).tolist())
print(frame.head(2).to_json(orient="records", date_format="iso"), pd.read_json(io.StringIO('[{"a": 1}, {"a": 2.5}]'))["a"].sum())
frame.to_pickle("frame.pkl")
print(pd.read_pickle("frame.pkl").equals(frame), frame.to_numpy().shape, frame.memory_usage(deep=False).sum() > 0, pd.util.hash_pandas_object(frame["year"]).iloc[0])
with open("lines.csv", "w") as file:
    file.writelines(f"{n},{n % 7},{n * 0.5}\n" for n in range(20000))
large = pd.read_csv("lines.csv", header=None, names=["n", "key", "half"])
print(large.groupby("key")["half"].sum().tolist(), sum(len(part) for part in pd.read_csv("lines.csv", header=None, chunksize=3000)), large["n"].nunique())
print(pd.eval("1 + 2 * 3"), pd.factorize(np.array(["b", "a", "b"], dtype=object))[0].tolist(), pd.get_dummies(["x", "y", "x"]).sum().to_dict(), pd.json_normalize({"a": {"b": [1]}}).columns.tolist())

attempt("column", lambda: frame["missing"])
attempt("row", lambda: frame.loc[99])
attempt("position", lambda: frame.iloc[99])
attempt("date", pd.to_datetime, "2024-02-30")
attempt("date format", pd.to_datetime, "x", format="%Y")
attempt("bounds", pd.Timestamp, "1500-01-01T00:00:00.000000001")
attempt("numeric", pd.to_numeric, ["1", "x"])
attempt("merge", frame.merge, frame, on="nothing")
attempt("lengths", pd.DataFrame, {"a": [1, 2], "b": [1]})
attempt("csv", pd.read_csv, io.StringIO("a,b\n1,2,3\n4\n5,6,7,8\n"))
attempt("csv empty", pd.read_csv, io.StringIO(""))
attempt("csv type", pd.read_csv, io.StringIO("a\nx"), dtype={"a": int})
attempt("csv missing", pd.read_csv, "missing.csv")
attempt("json", pd.read_json, io.StringIO("{"))
attempt("cast", lambda: frame["value"].astype(int))
attempt("category", lambda: frame["kind"].cat.rename_categories(["a"]))
attempt("aggregate", lambda: frame.groupby("city").agg("nothing"))
attempt("apply", lambda: frame["value"].apply(lambda value: 1 // 0))
attempt("reindex", lambda: pd.Series([1, 2], index=[0, 0]).reindex([0, 1]))
attempt("ambiguous", pd.Timestamp("2024-10-27 02:30").tz_localize, "Europe/Berlin")
attempt("truth", bool, frame)
attempt("optional", frame.to_excel, "frame.xlsx")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    frame[frame["value"] > 1]["value"] = 0
    print([warning.category.__name__ for warning in caught])
