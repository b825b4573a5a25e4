# The page that carries an answer to an app by a form.
form-post-title = Taking you back to { $app }
form-post-lead = If nothing happens, press the button.
form-post-continue = Continue
