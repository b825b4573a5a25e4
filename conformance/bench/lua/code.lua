-- Whole code flows, one after the other in each thread, in a browser that is signed in and allowed this client before:
-- authorization path, Cookie, token path, Authorization, redirect URI, code verifier.
dofile(os.getenv("BENCH_LUA") .. "/common.lua")

local authorize, cookie, path, authorization, redirect_uri, verifier
local code

function init()
   authorize, cookie, path, authorization, redirect_uri, verifier = unpack(chain())
end

function request()
   if not code then return wrk.format("GET", authorize, { ["Cookie"] = cookie, ["Accept"] = "text/html" }) end
   local body = form({ { "grant_type", "authorization_code" }, { "code", code }, { "redirect_uri", redirect_uri }, { "code_verifier", verifier } })
   return wrk.format("POST", path, { ["Authorization"] = authorization, ["Content-Type"] = FORM }, body)
end

function response(status, headers, body)
   if code then
      code = nil
      if status == 200 and body:find('"access_token":"', 1, true) and body:find('"id_token":"', 1, true) and body:find('"refresh_token":"', 1, true) then
         good = good + 1
      else
         failed("token", status, headers, body)
      end
      return
   end
   local location = header(headers, "location") or ""
   code = location:sub(1, #redirect_uri) == redirect_uri and location:match("[?&]code=([^&#]+)") or nil
   if not code then failed("authorize", status, headers, body) end
end
