-- Sign-ins by the page, each in a browser that comes for the first time: authorization request, page, posted form.
-- Authorization path, origin, user name, password.
dofile(os.getenv("BENCH_LUA") .. "/common.lua")

local authorize, origin, username, password
local step, target, body_to_post, jar = "authorize", nil, nil, {}

function init()
   authorize, origin, username, password = unpack(chain())
end

local function again(what, status, headers, body)
   step, jar = "authorize", {}
   failed(what, status, headers, body)
end

local function remember(headers)
   local pair = (header(headers, "set-cookie") or ""):match("^([^;]+)")
   if pair then jar[pair:match("^[^=]+")] = pair end
end

local function cookies()
   local all = {}
   for _, pair in pairs(jar) do table.insert(all, pair) end
   return #all > 0 and table.concat(all, "; ") or nil
end

local NAMED = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }
local function unescape(text)
   return (text:gsub("&(#?x?)(%w+);", function(kind, word)
      if kind == "" then return NAMED[word] end
      return string.char(tonumber(word, kind == "#x" and 16 or 10))
   end))
end

local function attribute(tag, name)
   local value = tag:match("%s" .. name .. '="([^"]*)"')
   return value and unescape(value)
end

local function local_path(location)
   if location:sub(1, #origin) == origin then return location:sub(#origin + 1) end
   return location:sub(1, 1) == "/" and location or nil
end

-- The form around the button, with its hidden fields and what a person types.
local function fill(html)
   for opening, inside in html:gmatch("(<form[^>]*>)(.-)</form>") do
      if inside:find('id="sign-in-submit"', 1, true) then
         local fields = {}
         for tag in inside:gmatch("<input[^>]*>") do
            if attribute(tag, "type") == "hidden" then table.insert(fields, { attribute(tag, "name"), attribute(tag, "value") }) end
         end
         table.insert(fields, { "username", username })
         table.insert(fields, { "password", password })
         return attribute(opening, "action"), form(fields)
      end
   end
end

function request()
   local headers = { ["Accept"] = "text/html", ["Cookie"] = cookies() }
   if step == "authorize" then return wrk.format("GET", authorize, headers) end
   if step == "page" then return wrk.format("GET", target, headers) end
   headers["Content-Type"], headers["Origin"], headers["Sec-Fetch-Site"] = FORM, origin, "same-origin"
   return wrk.format("POST", target, headers, body_to_post)
end

function response(status, headers, body)
   local location = header(headers, "location") or ""
   remember(headers)
   if step == "authorize" then
      target = local_path(location)
      if not target then return again("authorize", status, headers, body) end
      step = "page"
   elseif step == "page" then
      local action
      action, body_to_post = fill(body)
      if status ~= 200 or not action then return again("page", status, headers, body) end
      target = action ~= "" and local_path(action) or target
      step = "post"
   else
      -- Right: back to the dispatcher. Wrong: the page again, with 400.
      if status ~= 303 and status ~= 302 or not location:find("/oauth2/authorize/", 1, true) then return again("post", status, headers, body) end
      good, step, jar = good + 1, "authorize", {}
   end
end
