-- What the scripts share. wrk runs a script once in each of its threads and once more for setup and done.
-- BENCH_LINES names a file with one line for each chain (fields separated by tabs), BENCH_OUT where the counts go.

-- Counted in each thread by the scripts that look at answers.
good, bad, sample = 0, 0, nil

local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("number", #threads)
end

function lines()
   local found = {}
   for line in io.lines(os.getenv("BENCH_LINES")) do
      local fields = {}
      for field in (line .. "\t"):gmatch("(.-)\t") do table.insert(fields, field) end
      table.insert(found, fields)
   end
   return found
end

-- The line of this thread's own chain.
function chain()
   local all = lines()
   return all[(number - 1) % #all + 1]
end

function escape(text)
   return (text:gsub("[^%w%-_.~]", function(c) return string.format("%%%02X", c:byte()) end))
end

function form(pairs_in_order)
   local words = {}
   for _, pair in ipairs(pairs_in_order) do table.insert(words, pair[1] .. "=" .. escape(pair[2])) end
   return table.concat(words, "&")
end

FORM = "application/x-www-form-urlencoded"

function header(headers, wanted)
   local value = headers[wanted]
   if value then return value end
   for name, found in pairs(headers) do
      if name:lower() == wanted then return found end
   end
end

function failed(what, status, headers, body)
   bad = bad + 1
   if not sample then
      sample = what .. ": " .. status .. " " .. (header(headers, "location") or "") .. " " .. (body or ""):sub(1, 300)
   end
end

local function quoted(text)
   return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end):gsub("[\128-\255]", "?") .. '"'
end

function done(summary, latency)
   local right, wrong, first = 0, 0, nil
   for _, thread in ipairs(threads) do
      right, wrong, first = right + thread:get("good"), wrong + thread:get("bad"), first or thread:get("sample")
   end
   local file = assert(io.open(os.getenv("BENCH_OUT"), "w"))
   file:write(string.format(
      '{"requests":%d,"seconds":%.6f,"bytes":%d,"good":%d,"bad":%d,"sample":%s,"status_errors":%d,"socket_errors":%d,"timeouts":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, right, wrong, first and quoted(first) or "null",
      summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
   file:close()
end
