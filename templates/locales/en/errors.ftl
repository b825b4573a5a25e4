# Error pages: what happened, and what to do now.
error-app-title = The app asked for something we can't accept
error-app-lead = You did nothing wrong. Go back to the app and try again; if it happens again, tell the people who make it.
error-browser-title = This page belongs to another browser
error-browser-lead = The sign-in was started in another browser or window, or cookies are blocked here. Go back to the app and start again.
error-expired-title = This sign-in took too long or is already finished
error-expired-lead = For your safety it can't go on from here. Nothing was lost; go back to the app and start again.
error-form-title = This form can't be accepted
error-form-lead = It was open too long, was sent from another site, or your session changed in the meantime. Open the page again and repeat it.
error-request-title = We can't read this request
error-request-lead = Something in it is malformed. Go back and try again.
error-not-found-title = There is nothing here
error-not-found-lead = The address may be mistyped, or the page is gone.
error-method-title = That isn't possible here
error-method-lead = This address exists, but not for what was asked of it.
error-large-title = That is too large
error-large-lead = What was sent is larger than we accept.
error-late-title = That did not arrive
error-late-lead = What you sent did not come through in time. Go back and send it again.
error-long-title = That address is too long
error-long-lead = The link is longer than we accept. Go back to the app and try again; if it happens again, tell the people who make it.
error-many-title = Too many attempts
error-many-lead = { $minutes ->
    [one] Wait a minute and try again.
   *[other] Wait { $minutes } minutes and try again.
}
error-ours-title = Something is wrong on our side
error-ours-lead = Nothing was lost; try again in a moment.
error-code-label = Code
error-reason = Reason
error-try-again = Try again
error-detail = Detail
cause-missing-client-id = The request has no client_id.
cause-unknown-client = The client_id is not registered here.
cause-repeated-parameter = The parameter { $parameter } is there more than once.
cause-missing-redirect-uri = The request has no redirect_uri, and it can't be left out.
cause-unregistered-redirect-uri = The redirect_uri is not, character for character, one that is registered for this client.
cause-malformed-request = The request can't be read as parameters of a form.
cause-expired-flow = The interaction is finished, too old or unknown.
cause-other-browser = The interaction was started by another browser, or its cookie did not come back.
cause-forged-form = The form came without the token that our page put into it.
cause-invalid-logout-request = The sign-out request contradicts itself or names an unknown client.
cause-invalid-id-token-hint = The id_token_hint is not an ID token of this issuer for this client.
cause-unregistered-post-logout-redirect-uri = The post_logout_redirect_uri is not, character for character, one that is registered for this client.
