-- Requests that do not depend on an answer: the lines in turn, each METHOD, path, body and "Name: value" headers.
-- wrk counts answers of 400 and more by itself.
dofile(os.getenv("BENCH_LUA") .. "/common.lua")

local ready, at = {}, 0

function init()
   for _, line in ipairs(lines()) do
      local headers = {}
      for i = 4, #line do
         local name, value = line[i]:match("^(.-): (.*)$")
         headers[name] = value
      end
      table.insert(ready, wrk.format(line[1], line[2], headers, line[3] ~= "" and line[3] or nil))
   end
   at = number
end

function request()
   at = at % #ready + 1
   return ready[at]
end
