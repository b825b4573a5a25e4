# The start page.
home-title-signed-in = Hello, { $person }
home-lead-signed-in = You are signed in. Apps that use { $brand } will let you in without asking again.
home-title-signed-out = Welcome
home-lead-signed-out = This is where you sign in to the apps that use { $brand }.
home-demo = Try a sign-in step by step
home-discovery = Discovery document
