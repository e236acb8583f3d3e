"""awkward on awkward-cpp and numpy: ragged arrays, made, sliced, reduced, read from JSON; errors of its kernels."""
import awkward as ak
import numpy as np


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error).strip().splitlines()[0])


print(ak.__version__)
ragged = ak.Array([[1.1, 2.2, 3.3], [], [4.4, 5.5]])
print(ragged.type, ragged.to_list(), (ragged * 2)[0].to_list(), np.sqrt(ragged)[2].to_list(), ak.num(ragged).to_list())
print(ak.sum(ragged, axis=1).to_list(), ak.max(ragged, axis=0).to_list(), ak.argmin(ragged, axis=1).to_list(), ak.mean(ragged), ak.flatten(ragged).to_list())
print(ragged[ragged > 2].to_list(), ragged[:, :1].to_list(), ak.sort(ragged, axis=1, ascending=False).to_list(), ak.pad_none(ragged, 2).to_list())
records = ak.Array([{"x": 1, "y": [1, 2]}, {"x": 2, "y": []}, {"x": None, "y": [3]}])
print(records.type, records.y.to_list(), records[records.x == 2].to_list(), ak.is_none(records.x).to_list(), ak.fields(records))
print(ak.cartesian([[[1, 2], [3]], [["a"], ["b", "c"]]]).to_list(), ak.combinations(ragged, 2).to_list(), ak.zip({"a": ragged, "b": ragged})[0].to_list())
print(ak.from_json('[{"a": [1, 2.5]}, {"a": []}]').to_list(), ak.to_json(ragged), ak.from_numpy(np.eye(2)).type, ak.to_numpy(ragged[[0]]).tolist())
print(ak.concatenate([ragged, [[9]]]).to_list(), ak.where(ragged > 3, ragged, 0).to_list(), ak.run_lengths([1, 1, 2]).to_list(), ak.unflatten([1, 2, 3], [2, 1]).to_list())
print(ak.Array(["one", "two"]).type, ak.almost_equal(ragged, ragged), ak.to_buffers(ragged)[1], ak.broadcast_arrays(ragged, [1, 2, 3])[1].to_list())
builder = ak.ArrayBuilder()
with builder.list():
    builder.append(1)
    with builder.record("r"):
        builder.field("z").append("text")
print(builder.snapshot().to_list(), builder.type)
attempt("index", lambda: ragged[7])
attempt("inner index", lambda: ragged[:, 1])
attempt("field", lambda: records["nothing"])
attempt("rectangular", ak.to_numpy, ragged)
attempt("broadcast", lambda: ragged + ak.Array([[1], [2], [3]]) + [[1, 2], [], [1]])
attempt("json", ak.from_json, "[1, 2")
attempt("unflatten", ak.unflatten, [1, 2, 3], [2, 2])
attempt("axis", ak.sum, ragged, axis=3)
attempt("builder", ak.ArrayBuilder().end_list)
