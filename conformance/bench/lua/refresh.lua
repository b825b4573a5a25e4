-- A chain of rotating refresh tokens in each thread: token path, Authorization, first refresh token.
dofile(os.getenv("BENCH_LUA") .. "/common.lua")

local path, authorization, token

function init()
   path, authorization, token = unpack(chain())
end

function request()
   local body = form({ { "grant_type", "refresh_token" }, { "refresh_token", token } })
   return wrk.format("POST", path, { ["Authorization"] = authorization, ["Content-Type"] = FORM }, body)
end

function response(status, headers, body)
   local next_token = body:match('"refresh_token":"([^"]+)"')
   if status ~= 200 or not next_token or not body:find('"access_token":"', 1, true) or not body:find('"id_token":"', 1, true) then
      return failed("refresh", status, headers, body)
   end
   if next_token == token then return failed("the refresh token did not rotate", status, headers, body) end
   token, good = next_token, good + 1
end
