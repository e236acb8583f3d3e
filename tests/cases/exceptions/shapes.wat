;; Every shape of the legacy exception instructions. A line `;; => NAME ARGUMENT RESULT` says what a call returns; `throws` is
;; an exception that leaves the function. The results are those of an engine that runs the legacy instructions itself.
(module
  (tag $a (param i32))
  (tag $b (param i32 i64))
  (tag $c)

  ;; Throws $a 10 for 1, $b 20 for 2, $c for 3, and returns otherwise.
  (func $throw (param i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $a (i32.const 10))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $b (i32.const 20) (i64.const 1))))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $c))))

  ;; => catch 0 1
  ;; => catch 1 10
  ;; => catch 2 throws
  (func (export "catch") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 1
    catch $a
    end)

  ;; => catch_all 0 1
  ;; => catch_all 3 99
  (func (export "catch_all") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 1
    catch_all
      i32.const 99
    end)

  ;; => clauses 0 0
  ;; => clauses 1 11
  ;; => clauses 2 22
  ;; => clauses 3 33
  (func (export "clauses") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 0
    catch $a
      i32.const 1
      i32.add
    catch $b
      i32.wrap_i64
      i32.add
      i32.const 1
      i32.add
    catch_all
      i32.const 33
    end)

  ;; => outer_takes 2 120
  (func (export "outer_takes") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 0
      catch $a
      end
    catch $b
      drop
      i32.const 100
      i32.add
    end)

  ;; => rethrow 1 1010
  ;; => rethrow 3 throws
  (func (export "rethrow") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 0
      catch $a
        drop
        rethrow 0
      catch_all
        rethrow 0
      end
    catch $a
      i32.const 1000
      i32.add
    end)

  ;; The rethrow of an outer clause from within an inner one, and from the body of a try in the clause.
  ;; => rethrow_outer 1 510
  ;; => rethrow_outer 2 throws
  (func (export "rethrow_outer") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 0
      catch_all
        try
          throw $c
        catch $c
          try
            rethrow 2
          catch $c
          end
        end
        i32.const 1
      end
    catch $a
      i32.const 500
      i32.add
    end)

  ;; => caught_where_rethrown 1 7
  (func (export "caught_where_rethrown") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 0
    catch $a
      drop
      try (result i32)
        rethrow 1
      catch $a
        drop
        i32.const 7
      end
    end)

  ;; Delegation past a try that would take it.
  ;; => delegate 0 1
  ;; => delegate 1 210
  ;; => delegate 3 throws
  (func (export "delegate") (param i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          local.get 0
          call $throw
          i32.const 1
        delegate $outer
      catch_all
        i32.const -1
      end
    catch $a
      i32.const 200
      i32.add
    end)

  ;; => delegate_next 1 -2
  (func (export "delegate_next") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 1
      delegate 0
    catch_all
      i32.const -2
    end)

  ;; => delegate_to_caller 0 1
  ;; => delegate_to_caller 1 throws
  (func (export "delegate_to_caller") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 1
      delegate 1
    catch_all
      i32.const -1
    end)

  ;; A block's label stands for the next try outside of it.
  ;; => delegate_to_block 1 310
  (func (export "delegate_to_block") (param i32) (result i32)
    try (result i32)
      block $here (result i32)
        try (result i32)
          try (result i32)
            local.get 0
            call $throw
            i32.const 1
          delegate $here
        catch_all
          i32.const -1
        end
      end
    catch $a
      i32.const 300
      i32.add
    end)

  ;; => delegate_twice 1 410
  (func (export "delegate_twice") (param i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try $middle (result i32)
          try (result i32)
            try (result i32)
              local.get 0
              call $throw
              i32.const 1
            delegate $middle
          catch_all
            i32.const -1
          end
        delegate $outer
      catch_all
        i32.const -2
      end
    catch $a
      i32.const 400
      i32.add
    end)

  ;; A handler of a try that is delegated to, when that rethrows.
  ;; => delegate_rethrow 1 610
  (func (export "delegate_rethrow") (param i32) (result i32)
    try (result i32)
      try $middle (result i32)
        try (result i32)
          try (result i32)
            local.get 0
            call $throw
            i32.const 1
          delegate $middle
        catch_all
          i32.const -1
        end
      catch $a
        drop
        rethrow 0
      end
    catch $a
      i32.const 600
      i32.add
    end)

  ;; Branches from bodies and handlers, with values, through loops and tables.
  ;; => branches 0 5
  ;; => branches 1 15
  ;; => branches 2 77
  ;; => branches 3 0
  (func (export "branches") (param i32) (result i32) (local $n i32)
    block $out (result i32)
      try $try (result i32)
        loop $again
          local.get $n
          i32.const 1
          i32.add
          local.tee $n
          i32.const 5
          i32.lt_u
          br_if $again
        end
        local.get 0
        call $throw
        local.get $n
        br $try
      catch $a
        local.get $n
        i32.add
        br $out
      catch $b
        drop
        drop
        i32.const 77
        i32.const 0
        br_table $try $out $try
      catch_all
        i32.const 0
        return
      end
    end)

  ;; => with_parameters 0 8
  ;; => with_parameters 1 18
  (func (export "with_parameters") (param i32) (result i32)
    i32.const 3
    i32.const 5
    try (param i32 i32) (result i32)
      i32.add
      local.get 0
      call $throw
    catch $a
      i32.const 8
      i32.add
    catch_all
      i32.const 9
    end)

  ;; => no_clauses 0 4
  ;; => no_clauses 1 throws
  (func (export "no_clauses") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 4
    end)

  ;; => handler_throws 1 30
  (func (export "handler_throws") (param i32) (result i32) (local f64 i64)
    try (result i32)
      try
        local.get 0
        call $throw
      catch $a
        i32.const 20
        i32.add
        throw $a
      end
      i32.const 0
    catch $a
    end)

  ;; => many_values 2 21
  (func (export "many_values") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 0
      catch $b
        drop
        drop
        rethrow 0
      end
    catch $b
      i32.wrap_i64
      i32.add
    end)
)
