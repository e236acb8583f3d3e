"""luau-wasm: a language whose errors are C++ exceptions, thrown and caught inside the library, and shown by Python."""
import gc

import luau_wasm
from luau_wasm import LuauError, execute


def attempt(what, source):
    try:
        print(what, "->", repr(execute(source))[:300])
    except LuauError as error:
        print(what, "-> LuauError", str(error)[:300])
    except Exception as error:
        print(what, "->", type(error).__name__, str(error)[:300])


print(LuauError.__mro__, luau_wasm.run is execute)
attempt("hello", 'print("Hello from Luau", 1, 2.5, nil, true)')
attempt("nothing", "")
attempt("interpolation", "local n = 6 print(`{n} * 7 = {n * 7}`)")
attempt("closures", "local function counter() local n = 0 return function() n += 1 return n end end local c = counter() c() print(c(), c())")
attempt("tables", "local t = {} for i = 1, 10 do t[i] = i * i end table.sort(t, function(a, b) return a > b end) print(table.concat(t, ','), #t)")
attempt("strings", "print(('%05.2f|%x|%q'):format(math.pi, 255, 'a\"b'), ('hello'):rep(2), ('a,b,c'):split(',')[2], ('x'):byte())")
attempt("patterns", "for k, v in string.gmatch('a=1, b=22', '(%w+)=(%w+)') do print(k, v) end print((('abc'):gsub('%w', '%0%0')))")
attempt("metatables", "local mt = {__add = function(a, b) return a.v + b.v end, __tostring = function() return 'obj' end} local a = setmetatable({v = 1}, mt) print(a + a, tostring(a))")
attempt("coroutines", "local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(co(), co(), co())")
attempt("coroutine error", "local co = coroutine.create(function() error('inside') end) print(coroutine.resume(co))")
attempt("pcall", "print(pcall(error, 'caught')) print(pcall(function() local x = nil; return x.y end))")
attempt("pcall value", "local ok, e = pcall(error, {code = 7}) print(ok, e.code)")
attempt("xpcall", "print(xpcall(function() error('deep') end, function(m) return 'handled ' .. m end))")
attempt("pcall many", "local n = 0 for i = 1, 20000 do local ok = pcall(error, i) if not ok then n += 1 end end print(n)")
attempt("nested pcall", "local function f(n) if n == 0 then error('bottom') end local ok, e = pcall(f, n - 1) error(e, 0) end print(pcall(f, 150))")
attempt("bit32", "print(bit32.band(0xff, 0x0f), bit32.lshift(1, 31), bit32.bnot(0))")
attempt("integers", "print(2^53, 7 // 2, -7 % 3, 1/0, -1/0, 0/0 ~= 0/0, math.floor(-2.5))")
attempt("buffer", "local b = buffer.create(8) buffer.writef64(b, 0, 1.5) print(buffer.readu8(b, 7), buffer.len(b))")
attempt("big", "local s = {} for i = 1, 100000 do s[i] = tostring(i) end print(#table.concat(s))")
attempt("error", 'error("boom")')
attempt("error level", "local function f() error('at caller', 2) end f()")
attempt("error table", "error({})")
attempt("error nil", "error(nil)")
attempt("assert", "assert(false, 'asserted')")
attempt("arithmetic on nil", "local t = {} print(t.x + 1)")
attempt("call nil", "undefined_function()")
attempt("compare", "print(1 < 'x')")
attempt("concat", "print('a' .. {})")
attempt("syntax", "local = 5")
attempt("unclosed", "print('a")
attempt("unexpected end", "if true then")
attempt("recursion", "local function f() return 1 + f() end f()")
attempt("c recursion", "local function f() return pcall(f) end print(f())")
attempt("long string", "local s = ('x'):rep(1e7) print(#s)")
attempt("readonly", "string.format = nil")
attempt("unicode", "print('grüße 🎉', utf8.len('grüße 🎉'))")
attempt("utf8 error", "print(utf8.char(-1))")
attempt("comment", "-- nothing\n--[[ at\nall ]] print('end')")
attempt("goto", "continue")
for bad in [5, None, b"print(1)", "print('\ud800')", "print(1)\0print(2)"]:
    attempt(f"argument {bad!r}", bad)
failures = 0
for round in range(300):
    try:
        execute(f"error('round {round}')")
    except LuauError as error:
        failures += f"round {round}" in str(error)
gc.collect()
print("failures", failures, repr(execute("print('still alive')")))
